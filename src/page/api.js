// The service, as the page asks it. Every request goes through `ask`.

export class Problem extends Error {
	constructor(title, detail, status) {
		super(`${title}: ${detail}`);
		Object.assign(this, { title, detail, status });
	}
}

import { held } from "./token.js";

// How far this machine's clock is behind the service's, in milliseconds.
let skew = 0;

// The service's time; its Date header has seconds only.
export function now() {
	return Date.now() + (Math.abs(skew) > 2000 ? skew : 0);
}

// An answer of success, or a Problem; an AbortError where `signal` says so.
export async function ask(path, query = {}, { signal, headers = {} } = {}) {
	const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
	const target = given.length ? `${path}?${new URLSearchParams(given)}` : path;
	if (held()) headers.authorization = `Bearer ${held()}`;
	let answer;
	try {
		answer = await fetch(target, { headers, signal, cache: "no-store" });
	} catch (error) {
		if (error.name === "AbortError") throw error;
		throw new Problem("The service does not answer.", "What is shown may be out of date.");
	}
	const date = Date.parse(answer.headers.get("date"));
	if (date) skew = date - Date.now();
	if (answer.ok) return answer;
	const problem = await answer.json().catch(() => ({}));
	const title = `${problem.title ?? (answer.statusText || "Error")} (${answer.status})`;
	throw new Problem(title, problem.detail ?? "The answer says no more.", answer.status);
}

// JSON, and the parameters of the next page where there is one.
export async function read(path, query, signal) {
	const answer = await ask(path, query, { signal, headers: { accept: "application/json" } });
	const next = /<[^>]*\?([^>]*)>; rel="next"/.exec(answer.headers.get("link") ?? "");
	return { body: await answer.json(), next: next && Object.fromEntries(new URLSearchParams(next[1])) };
}

// Up to so many pages as one list, picked out of each body; `next` is set where there are more.
export async function readPages(path, query, pages, signal, pick = (body) => body) {
	const list = [];
	let next = query;
	for (let page = 0; page < pages && next; page += 1) {
		const answer = await read(path, next, signal);
		list.push(...pick(answer.body));
		next = answer.next;
	}
	return { list, next };
}
