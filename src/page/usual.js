// What is usual for a component: the median of its succeeded deploys of the last 30 days.

import { readPages } from "./api.js";

const FRESH_MS = 5 * 60_000;
let known = { key: undefined, at: 0, medians: new Map() };

// In seconds; undefined where it is not known, or not yet.
export const usual = (component) => known.medians.get(component);

// Reads it anew where it is old or of others; whether it did.
export async function readUsual({ component, environment }, signal) {
	const key = JSON.stringify([component, environment]);
	if (key === known.key && Date.now() - known.at < FRESH_MS) return false;
	const query = { by: "component", component, environment, limit: 1000 };
	const { list } = await readPages("api/durations", query, 10, signal, (body) => body.groups);
	const medians = list.filter((group) => group.window.p50_seconds).map((group) => [group.name, group.window.p50_seconds]);
	known = { key, at: Date.now(), medians: new Map(medians) };
	return true;
}
