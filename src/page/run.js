// The view of one run: a timeline of its stages for each component and environment.

import { componentHref, hrefTo } from "./address.js";
import { get, now } from "./api.js";
import { badge, externalLink, fill, isOpen, parts, resultOf, rowKey, took } from "./deploy.js";
import { bdi, cell, el, link, note, row, rowHeader, svg, table, tbody } from "./dom.js";
import { count, duration, secondsTime, time } from "./format.js";

// The height of a bar with its margins.
const BAR = 18;

export const title = ({ run }) => `${run} · deploylog`;

export async function load({ component, environment, run }, signal) {
	return (await get("api/deploys", { component, environment, run, stages: true, limit: 100 }, signal)).body;
}

export function show(deploys, { run, component, environment }) {
	const groups = Map.groupBy(deploys, (deploy) => JSON.stringify([deploy.component, deploy.environment]));
	return [
		el("div.top", link("./", "Deploys"), " / ", el("h1", "Run ", bdi(run)),
			(component || environment) && link(hrefTo({ view: "run", run }), "All deploys of this run")),
		deploys.length ? [...groups].map(([key, attempts]) => timeline(key, attempts.toReversed())) : note("This run has no deploys."),
	];
}

// The start and end of an attempt in milliseconds; they are equal if the start is unknown.
function spanOf(attempt) {
	const end = isOpen(attempt) ? now() : Date.parse(attempt.finished_at ?? attempt.started_at);
	return { attempt, end, start: Math.min(Date.parse(attempt.started_at ?? attempt.finished_at), end) };
}

// Puts overlapping spans on different levels.
function withLevels(spans) {
	const ends = [];
	return spans.map((span) => {
		const free = ends.findIndex((end) => end <= span.start);
		const level = free < 0 ? ends.length : free;
		ends[level] = Math.max(span.end, span.start + 1);
		return { ...span, level };
	});
}

// The deploys of one component and environment, oldest first, and the stages.
function timeline(key, attempts) {
	const deploy = attempts.at(-1);
	const spans = [...attempts, ...deploy.stages].map(spanOf);
	const start = Math.min(...spans.map((span) => span.start));
	const axis = { start, length: Math.max(...spans.map((span) => span.end - start), 1) };
	const tick = (fraction) => el("span", fraction ? `+${duration(axis.length * fraction / 1000)}` : "0");
	return el("section", { "data-key": key },
		el("h2", link(componentHref(deploy), bdi(deploy.component)), " ", bdi(deploy.version, "version"),
			deploy.environment && [" in ", bdi(deploy.environment)], " ", badge(deploy)),
		note("by ", bdi(deploy.owner), ", started ", time(new Date(start).toISOString()), " ", externalLink(deploy)),
		table("timeline", "Stages in order of start", ["Stage", "Timeline", "Result", "Start", "Duration"],
			tbody("all", stageRow(axis, null, attempts), inOrder(deploy.stages).map(([name, ofStage]) => stageRow(axis, name, ofStage)))),
		el("p.axis", { "aria-hidden": true }, [0, 0.25, 0.5].map(tick), el("span", tick(0.75), tick(1))),
		deploy.stages.length === 0 && note("No stages recorded."));
}

// Groups stages by name, in the order of their first start; a nested stage follows its parent.
function inOrder(stages) {
	const names = Map.groupBy(stages, (stage) => stage.stage);
	const sortKey = (name) => {
		const parts = name.split(" / ");
		const path = parts.map((_, index) => parts.slice(0, index + 1).join(" / ")).filter((each) => names.has(each));
		return path.map((each) => String(Math.min(...names.get(each).map((stage) => spanOf(stage).start))).padStart(16, "0") + each).join("\n");
	};
	const sortable = [...names].map((entry) => ({ entry, key: sortKey(entry[0]) }));
	return sortable.sort((one, other) => (one.key < other.key ? -1 : 1)).map(({ entry }) => entry);
}

function stageRow(axis, name, attempts) {
	const spans = withLevels(attempts.map(spanOf).sort((one, other) => one.start - other.start));
	const height = BAR * (1 + Math.max(...spans.map((span) => span.level)));
	const [last, ...path] = (name ?? "Whole deploy").split(" / ").reverse();
	const each = (column, show) => cell(column, attempts.map((attempt) => el("div", { "data-key": rowKey(attempt) }, show(attempt))));
	return row({ "data-key": `s${name ?? ""}`, class: name === null ? "whole" : null },
		rowHeader("stage", path.length > 0 && bdi(`${path.reverse().join(" / ")} / `, "path"), bdi(last),
			attempts.length > 1 && el("small", ` ${count(attempts.length, "attempt")}`)),
		cell("spans", svg("svg", { height, "aria-hidden": true }, spans.map((span) => spanBar(axis, span)))),
		each("result", badge),
		each("time", ({ started_at: at }) => (at ? secondsTime(at) : "–")),
		each("duration", (attempt) => [took(attempt), parts(attempt)]));
}

function spanBar(axis, { attempt, start, end, level }) {
	const x = `${(100 * (start - axis.start) / axis.length).toFixed(2)}%`;
	return [
		fill(attempt, (end - start) / axis.length, { x, y: level * BAR + 3, height: BAR - 6 }),
		resultOf(attempt) === "failed" && svg("svg", { x, y: level * BAR + 4, overflow: "visible" }, svg("path.cross", { d: "M3 2l6 6m0-6l-6 6" })),
	];
}
