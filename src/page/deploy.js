// The parts of a row that shows a deploy or a stage: result, duration, links.

import { componentHref, runHref } from "./address.js";
import { now } from "./api.js";
import { bdi, cell, el, link, row, svg } from "./dom.js";
import { duration, number, timer } from "./format.js";
import { typicalDuration } from "./typical.js";

// Icons in a 12 × 12 square. Their shapes differ, so that colour is not the only distinction.
const SHAPES = {
	succeeded: "M2 6.5 5 9.5 10.5 3",
	failed: "M2.5 2.5 9.5 9.5M9.5 2.5 2.5 9.5",
	aborted: "M6 1.5a4.5 4.5 0 1 0 .01 0M2.8 9.2 9.2 2.8",
	finished: "M6 1.5a4.5 4.5 0 1 0 .01 0",
	running: "M3 2 10 6 3 10Z",
	stale: "M2.5 1.5h7M2.5 10.5h7M3.5 1.5 8.5 10.5M8.5 1.5 3.5 10.5",
	superseded: "M2 2 6 6 2 10M6.5 2 10.5 6 6.5 10",
};

// `succeeded`, `failed`, `aborted`, `finished` (result unstated), `running`, `stale` or `superseded`.
export const resultOf = (attempt) => (attempt.state === "finished" ? attempt.phase : attempt.state);
export const isOpen = ({ state }) => state === "running" || state === "stale";
export const rowKey = ({ start_id: start, finish_id: finish }) => `d${start}.${finish}`;

export function badge(attempt) {
	const result = resultOf(attempt);
	return el(`span.badge.is-${result}`, { title: `status: ${attempt.status}` },
		svg("svg.icon", { viewBox: "0 0 12 12", "aria-hidden": true }, svg("path", { d: SHAPES[result] })),
		result, result === "finished" && el("span.sr-only", ", result unstated"));
}

const age = (iso) => (now() - Date.parse(iso)) / 1000;

// The duration, or the time since the start of an open attempt; undefined if unknown.
const seconds = (attempt) => (isOpen(attempt) ? age(attempt.started_at) : attempt.duration_seconds);

const percent = (fraction) => `${Math.min(100, Math.max(0.5, fraction * 100)).toFixed(2)}%`;

// Updates the timers and bars of open attempts.
export function tick() {
	for (const open of document.querySelectorAll("[data-since]")) {
		const { since, full } = open.dataset;
		if (full) open.setAttribute("width", percent(age(since) / full));
		else open.textContent = timer(age(since));
	}
}

// A bar whose beginning is hatched: the share of the duration that is waiting.
export function fill(attempt, fraction, attributes) {
	const [width, share] = [percent(fraction), Math.min(1, attempt.waited_seconds / attempt.duration_seconds)];
	return [svg(`rect.fill.is-${resultOf(attempt)}`, { width, rx: 2, ...attributes }),
		share > 0 && svg("rect", { ...attributes, width: `${parseFloat(width) * share}%`, fill: "url(#hatch)" })];
}

// The duration compared with the typical duration, which is the line in the middle.
function bar(attempt, taken, typical) {
	if (taken === undefined || !typical) return null;
	const full = typical * 2;
	const growing = isOpen(attempt) && { "data-since": attempt.started_at, "data-full": full };
	return svg("svg.bar", { "aria-hidden": true },
		svg("rect.track", { width: "100%", height: "100%", rx: 2 }),
		fill(attempt, taken / full, { height: "100%", ...growing }),
		taken > full && svg("rect.overflow", { x: "97%", width: "3%", height: "100%" }),
		svg("line.typical", { x1: "50%", x2: "50%", y1: "-20%", y2: "120%" }));
}

// The same comparison in words.
function comparison(attempt, taken, typical) {
	if (attempt.state === "stale") return "likely ended";
	if (taken === undefined || !typical) return "";
	if (isOpen(attempt)) return `typical: ${duration(typical)}`;
	const ratio = taken / typical;
	if (ratio > 0.9 && ratio < 1.1) return "typical";
	return `${ratio < 10 ? ratio.toFixed(1) : number(Math.round(ratio))}× typical`;
}

export function took(attempt) {
	const taken = seconds(attempt);
	if (attempt.state === "running") return el("span.took", { "data-since": attempt.started_at }, timer(taken));
	if (taken !== undefined) return el("span.took", duration(taken));
	return el("span.note", attempt.state === "superseded" ? "restarted" : attempt.duration_missing ?? "unknown");
}

// How long a deploy or a stage waited and worked.
export function parts({ waited_seconds: waited, duration_seconds: whole }) {
	return waited > 0 && el("small.parts", el("span", `waited ${duration(waited)}`),
		whole >= 0 && [", ", el("span", `work ${duration(Math.max(0, whole - waited))}`)]);
}

export const links = (attempt) => [externalLink(attempt), " ", attempt.run && link(runHref(attempt), bdi(attempt.run))];

export function externalLink({ url, component }) {
	return url && el("a", { href: url, rel: "noopener noreferrer", title: url, "aria-label": `External page of this deploy of ${component}` }, "↗");
}

export const COLUMNS = ["Time", "Result", "Component", "Environment", "Owner", "vs. typical", "Duration", "Run"];

// A row with these columns; `format` formats the time.
export function deployRow(attempt, format) {
	const compared = [attempt, seconds(attempt), typicalDuration(attempt.component)];
	return row({ "data-key": rowKey(attempt) },
		cell("time", format(attempt.finished_at ?? attempt.started_at)),
		cell("result", badge(attempt)),
		cell("component", link(componentHref(attempt), bdi(attempt.component)), " ", bdi(attempt.version, "version")),
		cell("environment", attempt.environment ? bdi(attempt.environment) : "–"),
		cell("owner", bdi(attempt.owner)),
		cell("bars", bar(...compared)),
		cell("duration", took(attempt), " ", el("small", comparison(...compared)), parts(attempt)),
		cell("run", links(attempt)));
}
