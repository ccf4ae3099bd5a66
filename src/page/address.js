// What is shown, as the page's own address says it: a view can be sent to a colleague.

export const FILTERS = ["component", "environment", "owner", "version", "phase", "state", "status", "run", "stage", "since", "until"];
const OTHERS = ["view", "days", "cursor"];

// The parameters of this address; one that is empty is none.
export function address() {
	const all = Object.fromEntries([...new URLSearchParams(location.search)].filter(([, value]) => value));
	const isWhole = all.view === "where" || (["component", "run"].includes(all.view) && all[all.view]);
	return isWhole ? all : { ...all, view: undefined };
}

// The address of these parameters, relative to the page.
export function to(parameters) {
	const query = new URLSearchParams();
	for (const name of [...OTHERS, ...FILTERS]) if (parameters[name]) query.set(name, parameters[name]);
	return query.size ? `?${query}` : "./";
}

export const toComponent = ({ component, environment }) => to({ view: "component", component, environment });
export const toRun = ({ component, environment, run }) => to({ view: "run", component, environment, run });

export function filters(parameters) {
	return Object.fromEntries(FILTERS.filter((name) => parameters[name]).map((name) => [name, parameters[name]]));
}
