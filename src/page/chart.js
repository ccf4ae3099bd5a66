// Charts, drawn for the width that there is. A table says the same.

import { resultOf } from "./deploy.js";
import { el, svg } from "./dom.js";
import { duration, shortDay } from "./format.js";

const [LEFT, RIGHT, TOP] = [58, 10, 12];
const STEPS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];
const DECADES = [0.01, 0.1, 1, 10, 60, 600, 3600, 36000, 86400, 864000];
// What a result draws around its point.
const RING = "m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0";
const MARKS = { succeeded: RING, failed: "m-4-4l8 8m0-8l-8 8", aborted: "m-3.5 0l3.5-3.5l3.5 3.5l-3.5 3.5z", finished: RING };

// Where a value lies, from 0 to 1, and the lines to draw: by its logarithm where the longest would flatten the others.
function scale(values, median) {
	const most = Math.max(...values, 0.001);
	if (most > 8 * (median ?? most)) {
		const least = Math.max(0.001, Math.min(...values) / 1.5);
		const part = (value) => Math.log(Math.max(value, least) / least) / Math.log(most * 1.3 / least);
		return { isLog: true, part, lines: DECADES.filter((line) => line >= least && line <= most * 1.3) };
	}
	const step = STEPS.find((each) => most / each <= 5) ?? Math.ceil(most / 432000) * 86400;
	const top = Math.max(step, most * 1.08);
	return { part: (value) => value / top, lines: Array.from({ length: Math.floor(top / step) + 1 }, (_, index) => index * step) };
}

// The days of the span as local midnights, and one more at its end.
export function daysOf(since, until) {
	const days = [new Date(since)];
	while (days.at(-1) < until) {
		const next = new Date(days.at(-1));
		next.setDate(next.getDate() + 1);
		days.push(next);
	}
	return days;
}

const label = (x, y, text, end) => svg("text.label", { x, y, "text-anchor": end ? "end" : "start" }, text);
const across = (y, width, of) => svg(`line.${of}`, { x1: LEFT, x2: width - RIGHT, y1: y, y2: y });
const chart = (name, width, height, said, ...children) =>
	svg("svg.chart", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${said} The table below says it by day.`, "data-chart": name }, children);

function dayLabels(days, width, y, x) {
	const every = Math.ceil((days.length - 1) / Math.max(2, Math.floor(width / 64)));
	return days.slice(0, -1).filter((_, index) => index % every === 0).map((date) => label(x(date), y, shortDay(date)));
}

// Durations over time, and where each deploy's mark is, for who points at one.
export function durationsChart(deploys, { p50_seconds: p50, p95_seconds: p95 }, days, width) {
	const [height, floor, wide] = [230, 188, width - RIGHT - LEFT];
	const known = deploys.map((deploy) => deploy.duration_seconds).filter((value) => value > 0);
	const { isLog, lines, part } = scale(known, p50);
	const x = (date) => LEFT + wide * (date - days[0]) / (days.at(-1) - days[0]);
	const y = (value) => floor - (floor - TOP) * part(value);
	const tenth = (value) => Math.round(value * 10) / 10;
	const at = deploys.map((deploy) => ({
		deploy, x: tenth(x(Date.parse(deploy.finished_at))), y: tenth(deploy.duration_seconds >= 0 ? y(deploy.duration_seconds) : floor + 14),
	}));
	const marks = Object.entries(MARKS).map(([result, shape]) => svg(`path.mark.is-${result}`,
		{ d: at.filter(({ deploy }) => resultOf(deploy) === result).map((mark) => `M${mark.x} ${mark.y}${shape}`).join("") }));
	const levels = [[p95, "p95"], [p50, "p50"]].filter(([value]) => value);
	const failed = deploys.filter((deploy) => deploy.phase === "failed").length;
	const drawn = chart("durations", width, height, `Durations of ${deploys.length} deploys, ${failed} of them failed${p50 ? `; half took up to ${duration(p50)}` : ""}.`,
		lines.map((line) => [across(y(line), width, "grid"), label(LEFT - 8, y(line) + 4, line ? duration(line) : "0", true)]),
		deploys.some((deploy) => deploy.duration_seconds === undefined) && label(LEFT - 8, floor + 18, "none", true),
		dayLabels(days, wide, height - 6, x),
		levels.map(([value]) => across(y(value), width, "level")),
		marks,
		levels.map(([value, name]) => label(width - RIGHT, y(value) + (name === "p95" ? -4 : 13), `${name} ${duration(value)}`, true)),
		svg("circle.pointed", { r: 0 }));
	return { drawn, at, isLog };
}

// Deploys a day, as columns: succeeded below, then failed, then the others.
export function daysChart(perDay, days, width) {
	const [height, floor] = [120, 98];
	const most = Math.max(1, ...perDay.map((of) => of.all));
	const wide = (width - RIGHT - LEFT) / perDay.length;
	const tall = (value) => (floor - TOP) * value / most;
	const columns = perDay.map((of, index) => {
		let base = floor;
		return ["succeeded", "failed", "other"].filter((kind) => of[kind]).map((kind) => {
			base -= tall(of[kind]);
			return svg(`rect.column.is-${kind}`, { x: LEFT + index * wide + wide / 12, width: wide * 5 / 6, y: base, height: tall(of[kind]) },
				svg("title", `${shortDay(days[index])}: ${of[kind]} ${kind}`));
		});
	});
	const total = perDay.reduce((sum, of) => sum + of.all, 0);
	return chart(null, width, height, `${total} deploys in ${perDay.length} days, at most ${most} a day.`,
		[...new Set([0, Math.ceil(most / 2), most])].map((line) => [across(floor - tall(line), width, "grid"), label(LEFT - 8, floor - tall(line) + 4, line, true)]),
		columns, dayLabels(days, width - RIGHT - LEFT, height - 6, (date) => LEFT + days.indexOf(date) * wide));
}

export const legend = () => el("ul.legend", Object.entries(MARKS).map(([result, shape]) => el("li",
	svg("svg.chart", { width: 12, height: 12, "aria-hidden": "true" }, svg(`path.mark.is-${result}`, { d: `M6 6${shape}` })),
	result, result === "finished" && ", unstated")));
