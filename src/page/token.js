// The token that goes with every request, where the service asks for one: kept until the tab is closed, or it is forgotten.

import { el, section } from "./dom.js";

const KEY = "deploylog-token";
// Where there is no storage, as long as the page.
let token;
try {
	token = sessionStorage.getItem(KEY);
} catch {}

export const held = () => token;

// Keeps another one, or none.
export function keep(given) {
	// A header takes nothing else, and no token has it.
	token = given.replace(/[^!-~]/g, "");
	try {
		sessionStorage.setItem(KEY, token);
	} catch {}
}

export const isDenied = (problem) => problem?.status === 401 || problem?.status === 403;

// The form that asks for one.
export function tokenForm(problem) {
	return section("token", "This service asks for a token", el("form#give",
		el("label", "Token with the scope read", el("input", { name: "token", type: "password", required: "", autocomplete: "off" })),
		el("button", { type: "submit" }, "Use it")),
		el("p.is-failed", { role: "alert" }, token && problem.detail));
}
