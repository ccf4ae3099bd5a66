// The typical duration of a component: the median of its succeeded deploys of the last 30 days, in the selected environment
// if there is one.

import { getPages } from "./api.js";

const MAX_AGE_MS = 5 * 60_000;
let cache = { key: undefined, at: 0, medians: new Map() };

// In seconds; undefined if unknown or not loaded yet.
export const typicalDuration = (component) => cache.medians.get(component);

// Loads the typical durations unless they are cached. Returns whether it loaded them.
export async function loadTypical({ component, environment }, signal) {
	const key = JSON.stringify([component, environment]);
	if (key === cache.key && Date.now() - cache.at < MAX_AGE_MS) return false;
	const query = { by: "component", component, environment, limit: 1000 };
	const { items } = await getPages("api/durations", query, 10, signal, (body) => body.groups);
	const medians = items.filter((group) => group.window.p50_seconds).map((group) => [group.name, group.window.p50_seconds]);
	cache = { key, at: Date.now(), medians: new Map(medians) };
	return true;
}
