// The five DORA metrics as tiles. Each shows its value, its counts, its window and its basis.

import { bdi, el, note } from "./dom.js";
import { count, duration, number, time } from "./format.js";

const median = (value) => [duration(value), " median"];
const percents = (value) => [number(value), " %"];
// Of each metric: its field, its title, and functions that format its value and its counts (numerator, denominator).
const METRICS = [
	["deployment_frequency_per_day", "Deployment frequency", (value) => [number(value), " per day"],
		(n, d, metric) => `${count(n, "succeeded deploy")} / ${count(d, "day")}; ${count(metric.days_with_deploys, "active day")}`],
	["change_lead_time_seconds", "Change lead time", median,
		(n, d) => `${number(n)} with committed_at / ${count(d, "succeeded deploy")}`],
	["change_fail_rate_percent", "Change fail rate", percents,
		(n, d, metric) => `${count(n, "failure")} / ${count(d, "deploy")}: ${metric.failed} failed, ${metric.rolled_back} rolled back, ${metric.undone} undone`],
	["failed_deployment_recovery_time_seconds", "Failed deployment recovery time", median,
		(n, d) => `${number(n)} recovered / ${count(d, "failure")}`],
	["deployment_rework_rate_percent", "Deployment rework rate", percents,
		(n, d) => `${number(n)} unplanned / ${count(d, "deploy")}`],
];

export function tiles(metrics) {
	return el("ul.tiles", METRICS.map(([name, title, format, counts]) => {
		const metric = metrics[name];
		const [value, unit] = metric.value === null ? ["–"] : format(metric.value);
		return el("li", { "data-key": name },
			el("h3", title),
			el("p.figure", el("strong", value), unit),
			el("p", counts(metric.numerator, metric.denominator, metric)),
			note(time(metric.window.since), " – ", time(metric.window.until), ", ", metric.window.tz),
			el("p.basis", el(`strong.is-${metric.basis.split(" ")[0]}`, metric.basis), metric.rule && `: ${metric.rule}`, metric.missing && `: requires ${metric.missing}`),
			metric.newest_unrecovered?.length > 0 && unrecovered(metric));
	}));
}

function unrecovered({ unrecovered: total, newest_unrecovered: newest }) {
	return el("details", el("summary", `${number(total)} not recovered`),
		el("ul", newest.map((failure) => el("li", bdi(failure.version, "version"), ` for ${duration(failure.age_seconds)}`))),
		total > newest.length && el("p", `and ${number(total - newest.length)} earlier`));
}
