// Every page with its address.
export function pagesOf({ call, deal, delivery, endpoint }) {
  return {
    calls: "/",
    call: `/calls/${call}`,
    "follow-up": `/calls/${call}/follow-up`,
    "changes-of-a-call": `/calls/${call}/changes`,
    scorecard: `/calls/${call}/scorecard`,
    live: "/live",
    deals: "/deals",
    deal: `/deals/${deal}`,
    changes: "/changes",
    insights: "/insights",
    process: "/process",
    welcome: "/welcome",
    deliveries: "/deliveries",
    delivery: `/deliveries/${delivery}`,
    endpoints: "/endpoints",
    endpoint: `/endpoints/${endpoint}`,
    keys: "/keys",
    users: "/users",
    audit: "/audit",
    models: "/models",
  };
}
