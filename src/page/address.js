// The address of the page. Its query names the view and the filters, so that a view can be shared as a link.

export const FILTERS = ["component", "environment", "owner", "version", "phase", "state", "status", "run", "stage", "since", "until"];
const OTHERS = ["view", "days", "cursor"];

// The non-empty parameters of the current address. A view that lacks its parameter is ignored.
export function currentAddress() {
	const all = Object.fromEntries([...new URLSearchParams(location.search)].filter(([, value]) => value));
	// The former name of the view, in saved links.
	if (all.view === "where") all.view = "environments";
	const isComplete = all.view === "environments" || (["component", "run"].includes(all.view) && all[all.view]);
	return isComplete ? all : { ...all, view: undefined };
}

export function hrefTo(address) {
	const query = new URLSearchParams();
	for (const name of [...OTHERS, ...FILTERS]) if (address[name]) query.set(name, address[name]);
	return query.size ? `?${query}` : "./";
}

export const componentHref = ({ component, environment }) => hrefTo({ view: "component", component, environment });
export const runHref = ({ component, environment, run }) => hrefTo({ view: "run", component, environment, run });

export const isFiltered = (address) => FILTERS.some((name) => address[name]);
export const filtersOf = (address) => Object.fromEntries(FILTERS.filter((name) => address[name]).map((name) => [name, address[name]]));
