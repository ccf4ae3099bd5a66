// The API token, if the service requires one. The browser tab stores it until it is closed or the user removes the token.

import { el, section } from "./dom.js";

const KEY = "deploylog-token";
// Also works without session storage, but then only until the page is left.
let token;
try {
	token = sessionStorage.getItem(KEY);
} catch {}

export const storedToken = () => token;

// Stores the token; an empty text removes it.
export function storeToken(text) {
	// A token contains only visible ASCII characters.
	token = text.replace(/[^!-~]/g, "");
	try {
		sessionStorage.setItem(KEY, token);
	} catch {}
}

export const isDenied = (problem) => problem?.status === 401 || problem?.status === 403;

export function tokenForm(problem) {
	return section("token", "This service requires a token", el("form#token-form",
		el("label", "Token with the read scope", el("input", { name: "token", type: "password", required: "", autocomplete: "off" })),
		el("button", { type: "submit" }, "Use token")),
		el("p.is-failed", { role: "alert" }, token && problem.detail));
}
