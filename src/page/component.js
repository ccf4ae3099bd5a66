// The view of one component: durations, deploys per day, DORA metrics, stages and recent deploys.

import { hrefTo } from "./address.js";
import { get, getPages, now } from "./api.js";
import { daysChart, daysOf, durationsChart, legend } from "./chart.js";
import { parts, resultOf } from "./deploy.js";
import { datedTable } from "./deploys.js";
import { bdi, cell, el, link, note, row, rowHeader, section, table, tbody } from "./dom.js";
import { tiles } from "./dora.js";
import { ZONE, day, duration, number, time } from "./format.js";

const WINDOWS = [7, 30, 90];
const MAX_PAGES = 5;
const RECENT = 25;

export const title = ({ component }) => `${component} · deploylog`;

export async function load({ component, environment: requested, days }, signal) {
	const span = WINDOWS.find((each) => String(each) === days) ?? 30;
	const { body: current } = await get("api/current", { component, limit: 1000 }, signal);
	const environments = [...new Set([...current.map((deploy) => deploy.environment), requested])].filter(Boolean).sort();
	const environment = requested ?? environments.find((name) => name === "production") ?? environments[0];
	// The window begins at midnight, so that the first day is complete. All parts of the view use it.
	const since = new Date(now());
	since.setHours(0, 0, 0, 0);
	since.setDate(since.getDate() - span + 1);
	const window = { component, environment, since: since.toISOString() };
	const [deploys, whole, stages, metrics] = await Promise.all([
		getPages("api/deploys", { ...window, state: "finished", limit: 1000 }, MAX_PAGES, signal),
		get("api/durations", window, signal),
		get("api/durations", { ...window, by: "stage" }, signal),
		environment && get("api/dora", { ...window, tz: ZONE }, signal),
	]);
	return {
		environment, environments, span, days: daysOf(since, now()), deploys: deploys.items, hasMore: deploys.next,
		whole: whole.body.groups[0], stages: stages.body.groups, metrics: metrics?.body.components[0],
	};
}

let points = [];

export function show(data, { component }, width) {
	const { environment, environments, span, deploys, metrics } = data;
	const choice = (label, names, key, chosen) => names.length > 0 && el("nav", { "aria-label": label }, names.map((name) => {
		const href = hrefTo({ view: "component", component, environment, days: span, [key]: name });
		return el("a", { href, "aria-current": name === chosen || null }, key === "days" ? `${name} days` : bdi(name));
	}));
	// A new element for each use: an element has only one place in the page.
	const toTarget = () => (environment ? [" to ", bdi(environment)] : "");
	return [
		el("div.top", link("./", "Deploys"), " / ", el("h1", bdi(component)),
			choice("Environment", environments, "environment", environment), choice("Window", WINDOWS, "days", span)),
		deploys.length ? charts(data, width) : note("No deploys", toTarget(), ` finished in the last ${span} days.`),
		section("dora", "DORA metrics", metrics ? tiles(metrics) : note(environment ? ["No deploys", toTarget(), " yet."] : "DORA metrics require an environment.")),
		data.whole && stagesTable(data),
		deploys.length > 0 && section("recent", "Recent deploys", datedTable("Recent deploys", deploys.slice(0, RECENT)),
			el("p.pager", link(hrefTo({ component, environment }), "All deploys", toTarget()))),
	];
}

function charts({ deploys, whole, days, hasMore }, width) {
	const perDay = days.slice(0, -1).map((from, index) => countsOf(deploys, from, days[index + 1]));
	const chart = durationsChart(deploys, whole?.window ?? {}, days, width);
	points = chart.points;
	return section("durations", ["Durations", chart.isLog && el("small", " (logarithmic scale)")],
		hasMore && note(`Only the newest ${number(deploys.length)} deploys are shown.`),
		deploys.some((deploy) => deploy.duration_seconds >= 0)
			? [chart.drawn, el("div#chart-info", legend())]
			: note("No durations are known. Record the start of each deploy too."),
		el("h2", "Deploys per day"),
		daysChart(perDay, days, width),
		el("details", el("summary", "Show as table"), daysTable(perDay, days)));
}

function countsOf(deploys, from, until) {
	const ofDay = deploys.filter(({ finished_at: at }) => Date.parse(at) >= from && Date.parse(at) < until);
	const inPhase = (phase) => ofDay.filter((deploy) => deploy.phase === phase);
	const [succeeded, failed] = [inPhase("succeeded"), inPhase("failed").length];
	const durations = succeeded.map((deploy) => deploy.duration_seconds).filter((value) => value >= 0).sort((a, b) => a - b);
	const middle = (durations.length - 1) / 2;
	const median = durations.length ? (durations[Math.floor(middle)] + durations[Math.ceil(middle)]) / 2 : null;
	return { all: ofDay.length, succeeded: succeeded.length, failed, other: ofDay.length - succeeded.length - failed, median };
}

const durationCell = (value) => cell("number", value === null ? "–" : duration(value));
const countCell = (value) => cell("number", number(value));

function daysTable(perDay, days) {
	const rows = perDay.map(({ all, succeeded, failed, other, median }, index) => row(null, rowHeader("", day(days[index])),
		[all, succeeded, failed, other].map(countCell), durationCell(median)));
	return table("figures", "Deploys per day", ["Day", "Deploys", "Succeeded", "Failed", "Other", "Median"], tbody("all", rows.reverse()));
}

function stagesTable({ whole, stages, span }) {
	const stageRow = ({ name, window, before }, label) => {
		const change = window.p50_seconds && before.p50_seconds ? window.p50_seconds / before.p50_seconds - 1 : 0;
		const percent = `${change > 0 ? "+" : "−"}${Math.round(Math.abs(change) * 100)} %`;
		return row({ "data-key": `s${label ? "" : name}` }, rowHeader("", label ?? bdi(name)), countCell(window.count),
			[window.p50_seconds, window.p95_seconds, window.max_seconds, before.p50_seconds].map(durationCell),
			cell(`number${change > 0.2 ? " is-slower" : ""}`, Math.abs(change) < 0.05 ? "" : percent, change > 0.2 && " slower"));
	};
	return section("stages", "Durations by stage", table("figures", `Durations of succeeded deploys and stages, compared with the ${span} days before`,
		["Stage", "Count", "Median", "p95", "Longest", "Previous median", "Change"],
		tbody("all", stageRow(whole, "Whole deploy"), stages.filter(({ name }) => name).map((group) => stageRow(group)))));
}

// Describes the deploy under the pointer and returns it.
export function pointAt({ target, clientX, clientY }) {
	const info = document.getElementById("chart-info");
	if (!info) return undefined;
	const chart = target.closest?.("[data-chart]");
	const box = chart?.getBoundingClientRect();
	const distance = (point) => Math.hypot(point.x - (clientX - box.left), point.y - (clientY - box.top));
	const found = chart && points.filter((point) => distance(point) < 24).sort((one, other) => distance(one) - distance(other))[0];
	const ring = document.querySelector(".highlight");
	for (const [name, value] of Object.entries(found ? { r: 6, cx: found.x, cy: found.y } : { r: 0 })) ring.setAttribute(name, value);
	info.replaceChildren(found ? describe(found.deploy) : legend());
	return found?.deploy;
}

function describe(deploy) {
	const took = deploy.duration_missing ?? duration(deploy.duration_seconds);
	return el("span", bdi(deploy.version, "version"), ` ${resultOf(deploy)}, ${took}, `, time(deploy.finished_at), ", by ", bdi(deploy.owner), " ", parts(deploy));
}
