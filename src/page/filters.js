// The form of filters: it shows what the address says, and says what the address shall be.

import { FILTERS, address, filters, to } from "./address.js";
import { read } from "./api.js";
import { el } from "./dom.js";

const form = document.getElementById("filters");
const clear = document.getElementById("clear");

// Shows the filters of this address, and only those that its view has.
export function showFilters({ view, ...given }) {
	document.getElementById("search").hidden = view === "component" || view === "run";
	for (const part of form.querySelectorAll("[data-more]")) part.hidden = view === "where";
	for (const name of FILTERS) form.elements[name].value = given[name] ?? "";
	const more = form.querySelector("details");
	if ([...more.querySelectorAll("input")].some((input) => input.value)) more.open = true;
	clear.href = to({ view });
	clear.hidden = Object.keys(filters(given)).length === 0;
}

// Calls `go` with the address that the form says, whenever that changes.
export function watchFilters(go) {
	const submit = (event) => {
		event.preventDefault();
		const { view, cursor, ...before } = address();
		const said = to({ ...Object.fromEntries(new FormData(form)), view });
		if (said !== to({ ...before, view })) go(said);
	};
	form.addEventListener("change", submit);
	form.addEventListener("submit", submit);
}

export async function suggestNames() {
	const { body } = await read("api/current", { limit: 1000 });
	for (const name of ["component", "environment"]) {
		const names = new Set(body.map((place) => place[name]).filter(Boolean));
		document.getElementById(`${name}s`).replaceChildren(...[...names].map((value) => el("option", { value })));
	}
}
