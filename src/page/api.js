// The client of the API. All calls go through `request`.

import { storedToken } from "./token.js";

export class Problem extends Error {
	constructor(title, detail, status) {
		super(title);
		Object.assign(this, { title, detail, status });
	}
}

// How far the clock of the browser is behind the clock of the service, in milliseconds.
let skew = 0;

// The time of the service. Its Date header has only whole seconds, so a small skew is ignored.
export const now = () => Date.now() + (Math.abs(skew) > 2000 ? skew : 0);

// Returns a successful response. Throws a Problem, or an AbortError if `signal` aborts the request.
export async function request(path, query, { signal, headers }) {
	const parameters = Object.entries(query).filter(([, value]) => (value ?? "") !== "");
	const target = parameters.length ? `${path}?${new URLSearchParams(parameters)}` : path;
	if (storedToken()) headers.authorization = `Bearer ${storedToken()}`;
	let response;
	try {
		response = await fetch(target, { headers, signal, cache: "no-store" });
	} catch (error) {
		if (error.name === "AbortError") throw error;
		throw new Problem("The service is unreachable.", "The data may be outdated.");
	}
	const date = Date.parse(response.headers.get("date"));
	if (date) skew = date - Date.now();
	if (response.ok) return response;
	const problem = await response.json().catch(() => ({}));
	const title = `${problem.title ?? (response.statusText || "Error")} (${response.status})`;
	throw new Problem(title, problem.detail ?? "The response has no details.", response.status);
}

// Returns the JSON body and the parameters of the next page, if there is one.
export async function get(path, query, signal) {
	const response = await request(path, query, { signal, headers: { accept: "application/json" } });
	const next = /<[^>]*\?([^>]*)>; rel="next"/.exec(response.headers.get("link") ?? "");
	return { body: await response.json(), next: next && Object.fromEntries(new URLSearchParams(next[1])) };
}

// Joins the items of at most `limit` pages; `next` is set if there are more pages.
export async function getPages(path, query, limit, signal, itemsOf = (body) => body) {
	const items = [];
	let next = query;
	for (let page = 0; page < limit && next; page += 1) {
		const response = await get(path, next, signal);
		items.push(...itemsOf(response.body));
		next = response.next;
	}
	return { items, next };
}
