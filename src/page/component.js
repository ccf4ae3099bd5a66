// One component: how long its deploys take, how many there are, and the DORA metrics.

import { to } from "./address.js";
import { now, read, readPages } from "./api.js";
import { daysChart, daysOf, durationsChart, legend } from "./chart.js";
import { resultOf } from "./deploy.js";
import { dated } from "./deploys.js";
import { body, cell, el, link, named, none, row, rowHeader, section, table } from "./dom.js";
import { tiles } from "./dora.js";
import { ZONE, day, duration, moment, number } from "./format.js";

const SPANS = [7, 30, 90];
const PAGES = 5;
const SHOWN = 25;

export const title = ({ component }) => `${component} · deploylog`;

export async function load({ component, environment: asked, days }, signal) {
	const span = SPANS.find((each) => String(each) === days) ?? 30;
	const { body: places } = await read("api/current", { component, limit: 1000 }, signal);
	const environments = [...new Set([...places.map((place) => place.environment), asked])].filter(Boolean).sort();
	const environment = asked ?? environments.find((name) => name === "production") ?? environments[0];
	// From midnight, so that every day shown is a whole one; all figures are of this window.
	const since = new Date(now());
	since.setHours(0, 0, 0, 0);
	since.setDate(since.getDate() - span + 1);
	const window = { component, environment, since: since.toISOString() };
	const [deploys, whole, stages, metrics] = await Promise.all([
		readPages("api/deploys", { ...window, state: "finished", limit: 1000 }, PAGES, signal),
		read("api/durations", window, signal),
		read("api/durations", { ...window, by: "stage" }, signal),
		environment && read("api/dora", { ...window, tz: ZONE }, signal),
	]);
	return {
		environment, environments, span, days: daysOf(since, now()), deploys: deploys.list, isCut: deploys.next,
		whole: whole.body.groups[0], stages: stages.body.groups, metrics: metrics?.body.components[0],
	};
}

let marks = [];

export function show(data, { component }, width) {
	const { environment, environments, span, deploys, metrics } = data;
	const choice = (label, names, key, chosen) => names.length > 0 && el("nav", { "aria-label": label }, names.map((name) => {
		const href = to({ view: "component", component, environment, days: span, [key]: name });
		return el("a", { href, "aria-current": name === chosen ? "true" : null }, key === "days" ? `${name} days` : named(name));
	}));
	const place = environment ? [" to ", named(environment)] : "";
	return [
		el("div.top", link("./", "Deploys"), " / ", el("h1", named(component)),
			choice("Environment", environments, "environment", environment), choice("Window", SPANS, "days", span)),
		deploys.length ? charts(data, width) : none("No deploy", place, ` has finished in these ${span} days.`),
		section("dora", "DORA metrics", metrics ? tiles(metrics) : none(place ? ["Never deployed", place, "."] : "They are of one environment, and these deploys name none.")),
		data.whole && stagesTable(data),
		deploys.length > 0 && section("last", "Last deploys", dated("The last deploys", deploys.slice(0, SHOWN)),
			el("p.pages", link(to({ component, environment }), "All deploys", place))),
	];
}

function charts({ deploys, whole, days, isCut }, width) {
	const perDay = days.slice(0, -1).map((from, index) => figures(deploys, from, days[index + 1]));
	const { drawn, at, isLog } = durationsChart(deploys, whole?.window ?? {}, days, width);
	marks = at;
	return section("durations", ["Durations", isLog && el("small", " logarithmic")],
		isCut && none(`The newest ${number(deploys.length)} deploys; there are more.`),
		deploys.some((deploy) => deploy.duration_seconds >= 0)
			? [drawn, el("div#pointer", legend())]
			: none("None is known: record when a deploy starts, too."),
		el("h2", "Deploys a day"),
		daysChart(perDay, days, width),
		el("details", el("summary", "The same as a table"), daysTable(perDay, days)));
}

function figures(deploys, from, until) {
	const those = deploys.filter(({ finished_at: at }) => Date.parse(at) >= from && Date.parse(at) < until);
	const of = (phase) => those.filter((deploy) => deploy.phase === phase);
	const [succeeded, failed] = [of("succeeded"), of("failed").length];
	const taken = succeeded.map((deploy) => deploy.duration_seconds).filter((value) => value >= 0).sort((a, b) => a - b);
	const middle = (taken.length - 1) / 2;
	const median = taken.length ? (taken[Math.floor(middle)] + taken[Math.ceil(middle)]) / 2 : null;
	return { all: those.length, succeeded: succeeded.length, failed, other: those.length - succeeded.length - failed, median };
}

const figure = (value) => cell("number", value === null ? "–" : duration(value));
const counted = (value) => cell("number", number(value));

function daysTable(perDay, days) {
	const rows = perDay.map((of, index) => row(null, rowHeader("", day(days[index])),
		[of.all, of.succeeded, of.failed, of.other].map(counted), figure(of.median)));
	return table("figures", "Deploys a day", ["Day", "Deploys", "Succeeded", "Failed", "Others", "Median"], body("all", rows.reverse()));
}

function stagesTable({ whole, stages, span }) {
	const line = ({ name, window, before }, label) => {
		const change = window.p50_seconds && before.p50_seconds ? window.p50_seconds / before.p50_seconds - 1 : 0;
		const percents = `${change > 0 ? "+" : "−"}${Math.round(Math.abs(change) * 100)} %`;
		return row({ "data-key": `s${label ? "" : name}` }, rowHeader("", label ?? named(name)), counted(window.count),
			[window.p50_seconds, window.p95_seconds, window.max_seconds, before.p50_seconds].map(figure),
			cell(`number${change > 0.2 ? " is-slower" : ""}`, Math.abs(change) < 0.05 ? "" : percents, change > 0.2 && " slower"));
	};
	return section("stages", "How long it takes", table("figures", `Succeeded deploys and stages, and the median of the ${span} days before`,
		["Stage", "Count", "Median", "p95", "Longest", "Before", "Change"],
		body("all", line(whole, "The whole deploy"), stages.filter(({ name }) => name).map((group) => line(group)))));
}

// Says which deploy a pointer is at, and answers it.
export function point({ target, clientX, clientY }) {
	const line = document.getElementById("pointer");
	if (!line) return undefined;
	const chart = target.closest?.("[data-chart]");
	const box = chart?.getBoundingClientRect();
	const far = (mark) => Math.hypot(mark.x - (clientX - box.left), mark.y - (clientY - box.top));
	const found = chart && marks.filter((mark) => far(mark) < 24).sort((one, other) => far(one) - far(other))[0];
	const ring = document.querySelector(".pointed");
	for (const [name, value] of Object.entries(found ? { r: 6, cx: found.x, cy: found.y } : { r: 0 })) ring.setAttribute(name, value);
	line.replaceChildren(found ? told(found.deploy) : legend());
	return found?.deploy;
}

function told(deploy) {
	const taken = deploy.duration_missing ?? duration(deploy.duration_seconds);
	return el("span", named(deploy.version, "version"), ` ${resultOf(deploy)}, ${taken}, `, moment(deploy.finished_at), ", by ", named(deploy.owner));
}
