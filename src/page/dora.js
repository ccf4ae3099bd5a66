// The five DORA metrics as tiles: each with its counts, its window and what it rests on.

import { el, named, none } from "./dom.js";
import { count, duration, moment, number } from "./format.js";

const median = (value) => [duration(value), " median"];
const percents = (value) => [number(value), " %"];
const METRICS = [
	["deployment_frequency_per_day", "Deployment frequency", (value) => [number(value), " a day"],
		(of) => `${count(of.numerator, "succeeded deploy")} / ${count(of.denominator, "day")}; on ${count(of.days_with_deploys, "day")}`],
	["change_lead_time_seconds", "Change lead time", median,
		(of) => `${number(of.numerator)} that say committed_at / ${count(of.denominator, "succeeded deploy")}`],
	["change_fail_rate_percent", "Change fail rate", percents,
		(of) => `${count(of.numerator, "failure")} / ${count(of.denominator, "deploy")}: ${of.failed} failed, ${of.rolled_back} rolled back, ${of.undone} undone`],
	["failed_deployment_recovery_time_seconds", "Failed deployment recovery time", median,
		(of) => `${number(of.numerator)} recovered / ${count(of.denominator, "failure")}`],
	["deployment_rework_rate_percent", "Deployment rework rate", percents,
		(of) => `${number(of.numerator)} unplanned / ${count(of.denominator, "deploy")}`],
];

export function tiles(metrics) {
	return el("ul.tiles", METRICS.map(([name, title, tell, counts]) => {
		const of = metrics[name];
		const [value, unit] = of.value === null ? ["–"] : tell(of.value);
		return el("li", { "data-key": name },
			el("h3", title),
			el("p.figure", el("strong", value), unit),
			el("p", counts(of)),
			none(moment(of.window.since), " – ", moment(of.window.until), ", ", of.window.tz),
			el("p.basis", el(`strong.is-${of.basis.split(" ")[0]}`, of.basis), of.rule && `: ${of.rule}`, of.missing && `: it needs ${of.missing}`),
			of.newest_unrecovered?.length > 0 && unrecovered(of));
	}));
}

function unrecovered({ unrecovered: all, newest_unrecovered: newest }) {
	return el("details", el("summary", `${number(all)} not recovered`),
		el("ul", newest.map((failure) => el("li", named(failure.version, "version"), ` for ${duration(failure.age_seconds)}`))),
		all > newest.length && el("p", `and ${number(all - newest.length)} before`));
}
