// Charts for the available width. A table shows the same data.

import { resultOf } from "./deploy.js";
import { el, svg } from "./dom.js";
import { duration, shortDay } from "./format.js";

const [LEFT, RIGHT, TOP] = [58, 10, 12];
const STEPS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];
const DECADES = [0.01, 0.1, 1, 10, 60, 600, 3600, 36000, 86400, 864000];
// The shape of each result, relative to its point.
const RING = "m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0";
const MARKS = { succeeded: RING, failed: "m-4-4l8 8m0-8l-8 8", aborted: "m-3.5 0l3.5-3.5l3.5 3.5l-3.5 3.5z", finished: RING };

// Maps a value to a ratio from 0 to 1 and lists the ticks. The scale is logarithmic if a linear one would flatten most values.
function scale(values, median) {
	const max = Math.max(...values, 0.001);
	if (max > 8 * (median ?? max)) {
		const min = Math.max(0.001, Math.min(...values) / 1.5);
		const ratio = (value) => Math.log(Math.max(value, min) / min) / Math.log(max * 1.3 / min);
		return { isLog: true, ratio, ticks: DECADES.filter((tick) => tick >= min && tick <= max * 1.3) };
	}
	const step = STEPS.find((each) => max / each <= 5) ?? Math.ceil(max / 432000) * 86400;
	const top = Math.max(step, max * 1.08);
	return { ratio: (value) => value / top, ticks: Array.from({ length: Math.floor(top / step) + 1 }, (_, index) => index * step) };
}

// The local midnights from `since`, up to the first one at or after `until`.
export function daysOf(since, until) {
	const days = [new Date(since)];
	while (days.at(-1) < until) {
		const next = new Date(days.at(-1));
		next.setDate(next.getDate() + 1);
		days.push(next);
	}
	return days;
}

const label = (x, y, text, isEnd) => svg("text.label", { x, y, "text-anchor": isEnd ? "end" : "start" }, text);
const leftLabel = (y, text) => label(LEFT - 8, y, text, true);
const lineAt = (y, width, name) => svg(`line.${name}`, { x1: LEFT, x2: width - RIGHT, y1: y, y2: y });
const chart = (name, width, height, summary, ...children) =>
	svg("svg.chart", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${summary} The table below shows the data by day.`, "data-chart": name }, children);

function dayLabels(days, width, y, x) {
	const every = Math.ceil((days.length - 1) / Math.max(2, Math.floor(width / 64)));
	return days.slice(0, -1).filter((_, index) => index % every === 0).map((date) => label(x(date), y, shortDay(date)));
}

// Durations over time, and the position of each deploy for the pointer.
export function durationsChart(deploys, { p50_seconds: p50, p95_seconds: p95 }, days, width) {
	const [height, floor, inner] = [230, 188, width - RIGHT - LEFT];
	const known = deploys.map((deploy) => deploy.duration_seconds).filter((value) => value > 0);
	const { isLog, ticks, ratio } = scale(known, p50);
	const x = (date) => LEFT + inner * (date - days[0]) / (days.at(-1) - days[0]);
	const y = (value) => floor - (floor - TOP) * ratio(value);
	const round = (value) => Math.round(value * 10) / 10;
	const points = deploys.map((deploy) => ({
		deploy, x: round(x(Date.parse(deploy.finished_at))), y: round(deploy.duration_seconds >= 0 ? y(deploy.duration_seconds) : floor + 14),
	}));
	const marks = Object.entries(MARKS).map(([result, shape]) => svg(`path.mark.is-${result}`,
		{ d: points.filter(({ deploy }) => resultOf(deploy) === result).map((point) => `M${point.x} ${point.y}${shape}`).join("") }));
	const levels = [[p95, "p95"], [p50, "p50"]].filter(([value]) => value);
	const failed = deploys.filter((deploy) => deploy.phase === "failed").length;
	const drawn = chart("durations", width, height, `Durations of ${deploys.length} deploys, ${failed} failed${p50 ? `; the median of the succeeded ones is ${duration(p50)}` : ""}.`,
		ticks.map((tick) => [lineAt(y(tick), width, "grid"), leftLabel(y(tick) + 4, tick ? duration(tick) : "0")]),
		deploys.some((deploy) => deploy.duration_seconds === undefined) && leftLabel(floor + 18, "unknown"),
		dayLabels(days, inner, height - 6, x),
		levels.map(([value]) => lineAt(y(value), width, "level")),
		marks,
		levels.map(([value, name]) => label(width - RIGHT, y(value) + (name === "p95" ? -4 : 13), `${name} ${duration(value)}`, true)),
		svg("circle.highlight", { r: 0 }));
	return { drawn, points, isLog };
}

// Deploys per day as stacked columns: succeeded at the bottom, then failed, then the others.
export function daysChart(perDay, days, width) {
	const [height, floor, inner] = [120, 98, width - RIGHT - LEFT];
	const max = Math.max(1, ...perDay.map((counts) => counts.all));
	const wide = inner / perDay.length;
	const tall = (value) => (floor - TOP) * value / max;
	const columns = perDay.map((counts, index) => {
		let base = floor;
		return ["succeeded", "failed", "other"].filter((kind) => counts[kind]).map((kind) => {
			base -= tall(counts[kind]);
			return svg(`rect.column.is-${kind}`, { x: LEFT + index * wide + wide / 12, width: wide * 5 / 6, y: base, height: tall(counts[kind]) },
				svg("title", `${shortDay(days[index])}: ${counts[kind]} ${kind}`));
		});
	});
	const total = perDay.reduce((sum, counts) => sum + counts.all, 0);
	return chart(null, width, height, `${total} deploys in ${perDay.length} days, at most ${max} per day.`,
		[...new Set([0, Math.ceil(max / 2), max])].map((tick) => [lineAt(floor - tall(tick), width, "grid"), leftLabel(floor - tall(tick) + 4, tick)]),
		columns, dayLabels(days, inner, height - 6, (date) => LEFT + days.indexOf(date) * wide));
}

export const legend = () => el("ul.legend", Object.entries(MARKS).map(([result, shape]) => el("li",
	svg("svg.chart", { width: 12, height: 12, "aria-hidden": true }, svg(`path.mark.is-${result}`, { d: `M6 6${shape}` })),
	result, result === "finished" && " (unstated)")));
