// One run as a timeline of its stages.

import { to, toComponent } from "./address.js";
import { now, read } from "./api.js";
import { badge, isOpen, outside, percent, resultOf, rowKey, took } from "./deploy.js";
import { body, cell, el, link, named, none, row, rowHeader, svg, table } from "./dom.js";
import { count, duration, moment, secondsTime } from "./format.js";

const LANE = 18;

export const title = ({ run }) => `${run} · deploylog`;

export async function load({ component, environment, run }, signal) {
	return (await read("api/deploys", { component, environment, run, stages: true, limit: 100 }, signal)).body;
}

export function show(deploys, { run, component, environment }) {
	const places = Map.groupBy(deploys, (deploy) => JSON.stringify([deploy.component, deploy.environment]));
	return [
		el("div.top", link("./", "Deploys"), " / ", el("h1", "Run ", named(run)),
			(component || environment) && link(to({ view: "run", run }), "All that this run deploys")),
		deploys.length ? [...places].map(([key, attempts]) => timeline(key, attempts.toReversed())) : none("This run has no deploy."),
	];
}

// When it began and ended; one without a start is a moment.
function extent(attempt) {
	const until = isOpen(attempt) ? now() : Date.parse(attempt.finished_at ?? attempt.started_at);
	return { attempt, until, from: Math.min(Date.parse(attempt.started_at ?? attempt.finished_at), until) };
}

function lanes(spans) {
	const ends = [];
	return spans.map((span) => {
		const free = ends.findIndex((end) => end <= span.from);
		const lane = free < 0 ? ends.length : free;
		ends[lane] = Math.max(span.until, span.from + 1);
		return { ...span, lane };
	});
}

// The deploys of one component and environment in this run, oldest first, over their stages.
function timeline(key, attempts) {
	const deploy = attempts.at(-1);
	const spans = [...attempts, ...deploy.stages].map(extent);
	const from = Math.min(...spans.map((span) => span.from));
	const axis = { from, long: Math.max(...spans.map((span) => span.until - from), 1) };
	const after = (part) => el("span", part ? `+${duration(axis.long * part / 1000)}` : "0");
	return el("section", { "data-key": key },
		el("h2", link(toComponent(deploy), named(deploy.component)), " ", named(deploy.version, "version"),
			deploy.environment && [" in ", named(deploy.environment)], " ", badge(deploy)),
		none("by ", named(deploy.owner), ", began ", moment(new Date(from).toISOString()), " ", outside(deploy)),
		table("timeline", "Stages by their starts, with their times", ["Stage", "From beginning to end", "Result", "Began", "Took"],
			body("all", stageRow(axis, null, attempts), inOrder(deploy.stages).map(([name, those]) => stageRow(axis, name, those)))),
		el("p.axis", { "aria-hidden": "true" }, [0, 0.25, 0.5].map(after), el("span", after(0.75), after(1))),
		deploy.stages.length === 0 && none("No stages are recorded."));
}

// Stages by their first start, each behind the one that its path goes through.
function inOrder(stages) {
	const names = Map.groupBy(stages, (stage) => stage.stage);
	const place = (name) => {
		const parts = name.split(" / ");
		const above = parts.map((_, index) => parts.slice(0, index + 1).join(" / ")).filter((each) => names.has(each));
		return above.map((each) => String(Math.min(...names.get(each).map((stage) => extent(stage).from))).padStart(16, "0") + each).join("\n");
	};
	const placed = [...names].map((entry) => ({ entry, at: place(entry[0]) }));
	return placed.sort((one, other) => (one.at < other.at ? -1 : 1)).map(({ entry }) => entry);
}

function stageRow(axis, name, attempts) {
	const spans = lanes(attempts.map(extent).sort((one, other) => one.from - other.from));
	const height = LANE * (1 + Math.max(...spans.map((span) => span.lane)));
	const [last, ...path] = (name ?? "The whole deploy").split(" / ").reverse();
	const each = (of, tell) => cell(of, attempts.map((attempt) => el("div", { "data-key": rowKey(attempt) }, tell(attempt))));
	return row({ "data-key": `s${name ?? ""}`, class: name === null ? "whole" : null },
		rowHeader("stage", path.length > 0 && named(`${path.reverse().join(" / ")} / `, "path"), named(last),
			attempts.length > 1 && el("small", ` ${count(attempts.length, "attempt")}`)),
		cell("course", svg("svg", { height, "aria-hidden": "true" }, spans.map((span) => stageBar(axis, span)))),
		each("result", badge),
		each("when", ({ started_at: at }) => (at ? secondsTime(at) : "–")),
		each("time", took));
}

function stageBar({ from: begin, long }, { attempt, from, until, lane }) {
	const [x, result] = [`${(100 * (from - begin) / long).toFixed(2)}%`, resultOf(attempt)];
	return [
		svg(`rect.fill.is-${result}`, { x, y: lane * LANE + 3, rx: 2, width: percent((until - from) / long), height: LANE - 6 }),
		result === "failed" && svg("svg", { x, y: lane * LANE + 4, overflow: "visible" }, svg("path.cross", { d: "M3 2l6 6m0-6l-6 6" })),
	];
}
