// How a deploy, or a stage, is told: its result, its time, its links.

import { toComponent, toRun } from "./address.js";
import { now } from "./api.js";
import { cell, el, link, named, svg, unseen } from "./dom.js";
import { clock, duration, number } from "./format.js";
import { usual } from "./usual.js";

// Drawn in a square of 12: told apart by their shapes, not only by their colours.
const SHAPES = {
	succeeded: "M2 6.5 5 9.5 10.5 3",
	failed: "M2.5 2.5 9.5 9.5M9.5 2.5 2.5 9.5",
	aborted: "M6 1.5a4.5 4.5 0 1 0 .01 0M2.8 9.2 9.2 2.8",
	finished: "M6 1.5a4.5 4.5 0 1 0 .01 0",
	running: "M3 2 10 6 3 10Z",
	stale: "M2.5 1.5h7M2.5 10.5h7M3.5 1.5 8.5 10.5M8.5 1.5 3.5 10.5",
	superseded: "M2 2 6 6 2 10M6.5 2 10.5 6 6.5 10",
};

// `succeeded`, `failed`, `aborted`, `finished` (unstated), `running`, `stale` or `superseded`.
export const resultOf = (attempt) => (attempt.state === "finished" ? attempt.phase : attempt.state);
export const isOpen = ({ state }) => state === "running" || state === "stale";
export const rowKey = ({ start_id: start, finish_id: finish }) => `d${start}.${finish}`;

export function badge(attempt) {
	const result = resultOf(attempt);
	return el(`span.badge.is-${result}`, { title: `status: ${attempt.status}` },
		svg("svg.icon", { viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("path", { d: SHAPES[result] })),
		result, result === "finished" && unseen(", result unstated"));
}

const since = (iso) => (now() - Date.parse(iso)) / 1000;

// How long it took, or has taken till now; undefined where that is not known.
const seconds = (attempt) => (isOpen(attempt) ? since(attempt.started_at) : attempt.duration_seconds);

export const percent = (part) => `${Math.min(100, Math.max(0.5, part * 100)).toFixed(2)}%`;

export function tick() {
	for (const running of document.querySelectorAll("[data-since]")) {
		const { since: iso, full } = running.dataset;
		if (full) running.setAttribute("width", percent(since(iso) / full));
		else running.textContent = clock(since(iso));
	}
}

// The time that it took against what is usual: the mark in the middle.
function bar(attempt) {
	const [taken, mark] = [seconds(attempt), usual(attempt.component)];
	if (taken === undefined || !mark) return null;
	const full = mark * 2;
	const growing = isOpen(attempt) ? { "data-since": attempt.started_at, "data-full": full } : {};
	return svg(`svg.bar.is-${resultOf(attempt)}`, { "aria-hidden": "true" },
		svg("rect.track", { width: "100%", height: "100%", rx: 2 }),
		svg("rect.fill", { width: percent(taken / full), height: "100%", rx: 2, ...growing }),
		taken > full && svg("rect.beyond", { x: "97%", width: "3%", height: "100%" }),
		svg("line.middle", { x1: "50%", x2: "50%", y1: "-20%", y2: "120%" }));
}

// "as usual", "1.4× usual"; of what runs, what is usual; of what is stale, what that means.
function comparison(attempt) {
	const [taken, mark] = [seconds(attempt), usual(attempt.component)];
	if (attempt.state === "stale") return "likely over";
	if (taken === undefined || !mark) return "";
	if (isOpen(attempt)) return `usually ${duration(mark)}`;
	const ratio = taken / mark;
	if (ratio > 0.9 && ratio < 1.1) return "as usual";
	return `${ratio < 10 ? ratio.toFixed(1) : number(Math.round(ratio))}× usual`;
}

export function took(attempt) {
	const taken = seconds(attempt);
	if (attempt.state === "running") return el("span.took", { "data-since": attempt.started_at }, clock(taken));
	if (taken !== undefined) return el("span.took", duration(taken));
	return el("span.none", attempt.state === "superseded" ? "started anew" : attempt.duration_missing ?? "not known");
}

export const links = (attempt) => [outside(attempt), " ", attempt.run && link(toRun(attempt), named(attempt.run))];

export function outside({ url, component }) {
	return url && el("a", { href: url, rel: "noopener noreferrer", title: url, "aria-label": `The sender's page of this deploy of ${component}` }, "↗");
}

export const COLUMNS = ["When", "Result", "What", "Environment", "Owner", "Against usual", "Took", "Run"];

// One as a row of these columns; `when` tells a time.
export function cells(attempt, when) {
	return [
		cell("when", when(attempt.finished_at ?? attempt.started_at)),
		cell("result", badge(attempt)),
		cell("what", link(toComponent(attempt), named(attempt.component)), " ", named(attempt.version, "version")),
		cell("place", attempt.environment ? named(attempt.environment) : "–"),
		cell("owner", named(attempt.owner)),
		cell("bars", bar(attempt)),
		cell("time", took(attempt), " ", el("small", comparison(attempt))),
		cell("run", links(attempt)),
	];
}
