// The filter form. It shows the filters of the address and changes the address.

import { FILTERS, currentAddress, hrefTo, isFiltered } from "./address.js";
import { get } from "./api.js";
import { el } from "./dom.js";

const form = document.getElementById("filters");
const clear = document.getElementById("clear");

// Shows the values of the address, and only the filters that its view supports.
export function showFilters({ view, ...parameters }) {
	document.getElementById("search").hidden = view === "component" || view === "run";
	for (const part of form.querySelectorAll("[data-more]")) part.hidden = view === "environments";
	for (const name of FILTERS) form.elements[name].value = parameters[name] ?? "";
	const more = form.querySelector("details");
	if ([...more.querySelectorAll("input")].some((input) => input.value)) more.open = true;
	clear.href = hrefTo({ view });
	clear.hidden = !isFiltered(parameters);
}

// Calls `go` with the new address when the form changes.
export function watchFilters(go) {
	const submit = (event) => {
		event.preventDefault();
		const { view, cursor, ...before } = currentAddress();
		const href = hrefTo({ ...Object.fromEntries(new FormData(form)), view });
		if (href !== hrefTo({ ...before, view })) go(href);
	};
	form.addEventListener("change", submit);
	form.addEventListener("submit", submit);
}

export async function suggestNames() {
	const { body } = await get("api/current", { limit: 1000 });
	for (const name of ["component", "environment"]) {
		const names = new Set(body.map((deploy) => deploy[name]).filter(Boolean));
		document.getElementById(`${name}s`).replaceChildren(...[...names].map((value) => el("option", { value })));
	}
}
