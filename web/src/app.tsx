// The frame: who is signed in, which page is shown, links between pages. What a page shows is in `pages/`.
import { ErrorBoundary, lazy, LocationProvider, Route, Router, useLocation } from "preact-iso";
import { useEffect, useRef, useState } from "preact/hooks";
import { connected } from "./api/events.ts";
import { atLeast, loadMe, me, signOut } from "./api/session.ts";
import { asProblem, type Problem } from "./api/problem.ts";
import { language, speak, type Language } from "./lib/i18n.ts";
import { theme, type Theme } from "./lib/theme.ts";
import { SignIn } from "./pages/sign-in.tsx";
import { text } from "./text.ts";
import { ProblemBox } from "./ui/basics.tsx";
import { tellProblem, Toasts } from "./ui/toast.tsx";

const Calls = lazy(() => import("./pages/calls/calls.tsx").then((page) => page.Calls));
const CallPage = lazy(() => import("./pages/call/call.tsx").then((page) => page.CallPage));
const LivePage = lazy(() => import("./pages/live/live.tsx").then((page) => page.LivePage));
const Deals = lazy(() => import("./pages/deals/deals.tsx").then((page) => page.Deals));
const DealPage = lazy(() => import("./pages/deals/deal.tsx").then((page) => page.DealPage));
const ChangesPage = lazy(() => import("./pages/changes/changes.tsx").then((page) => page.ChangesPage));
const Insights = lazy(() => import("./pages/insights/insights.tsx").then((page) => page.Insights));
const ProcessPage = lazy(() => import("./pages/process/process.tsx").then((page) => page.ProcessPage));
const Deliveries = lazy(() => import("./pages/admin/deliveries.tsx").then((page) => page.Deliveries));
const Endpoints = lazy(() => import("./pages/admin/endpoints.tsx").then((page) => page.Endpoints));
const Keys = lazy(() => import("./pages/admin/keys.tsx").then((page) => page.Keys));
const Users = lazy(() => import("./pages/admin/users.tsx").then((page) => page.Users));
const Audit = lazy(() => import("./pages/admin/audit.tsx").then((page) => page.Audit));
const Models = lazy(() => import("./pages/admin/models.tsx").then((page) => page.Models));
const Welcome = lazy(() => import("./pages/welcome/welcome.tsx").then((page) => page.Welcome));

function Missing() {
  return (
    <div class="empty">
      <p>{text().missing}</p>
      <a href="/">{text().toCalls}</a>
    </div>
  );
}

function Links(props: { onGo: () => void }) {
  const { path } = useLocation();
  const link = (href: string, label: string) => {
    const here =
      href === "/" ? path === "/" || path.startsWith("/calls") : path === href || path.startsWith(`${href}/`);
    return (
      <a key={href} href={href} aria-current={here ? "page" : undefined} onClick={props.onGo}>
        {label}
      </a>
    );
  };
  return (
    <nav aria-label={text().main}>
      {link("/", text().calls)}
      {link("/live", text().live)}
      {link("/deals", text().deals)}
      {link("/changes", text().changes)}
      {link("/process", text().process)}
      {atLeast("manager") && link("/insights", text().insights)}
      <p class="group">{text().admin}</p>
      {link("/deliveries", text().deliveries)}
      {atLeast("admin") && link("/endpoints", text().endpoints)}
      {atLeast("admin") && link("/keys", text().keys)}
      {atLeast("manager") && link("/users", text().users)}
      {atLeast("admin") && link("/audit", text().audit)}
      {link("/models", text().models)}
    </nav>
  );
}

export function Preferences() {
  return (
    <>
      <label>
        <span class="sr-only">{text().language}</span>
        <select value={language.value} onChange={(event) => speak(event.currentTarget.value as Language)}>
          <option value="en">English</option>
          <option value="ru">Русский</option>
        </select>
      </label>
      <label>
        <span class="sr-only">{text().theme}</span>
        <select value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as Theme)}>
          <option value="system">{text().system}</option>
          <option value="light">{text().light}</option>
          <option value="dark">{text().dark}</option>
        </select>
      </label>
    </>
  );
}

function Side() {
  const [open, setOpen] = useState(false);
  const who = me.value;
  return (
    <div class={open ? "side open" : "side"}>
      <div class="top">
        <a class="brand" href="/">
          <img src="/favicon.svg" alt="" width="24" height="24" />
          dealstage
        </a>
        <button class="menu" aria-expanded={open} onClick={() => setOpen(!open)}>
          {text().menu}
        </button>
      </div>
      <Links onGo={() => setOpen(false)} />
      <div class="foot">
        {who?.user ? (
          <a href="/users" title={text().account}>
            {who.user.name}
          </a>
        ) : (
          <span class="muted">{who?.workspace}</span>
        )}
        <Preferences />
        <button class="small" onClick={() => void signOut().catch(tellProblem)}>
          {text().signOut}
        </button>
      </div>
    </div>
  );
}

function Pages() {
  const main = useRef<HTMLElement>(null);
  // Those who do not see the page change must hear it: the content takes the focus.
  const onRouteChange = () => main.current?.focus({ preventScroll: true });
  return (
    <div class="shell">
      <a class="button skip" href="#content">
        {text().skip}
      </a>
      <Side />
      <div>
        {!connected.value && (
          <div class="offline" role="status">
            {text().offline}
          </div>
        )}
        <main id="content" ref={main} tabIndex={-1}>
          <ErrorBoundary onError={tellProblem}>
            <Router onRouteChange={onRouteChange}>
              <Route path="/" component={Calls} />
              <Route path="/calls/:id/:part?" component={CallPage} />
              <Route path="/live/:id?" component={LivePage} />
              <Route path="/deals" component={Deals} />
              <Route path="/deals/:id" component={DealPage} />
              <Route path="/changes" component={ChangesPage} />
              <Route path="/insights" component={Insights} />
              <Route path="/process/:stage?" component={ProcessPage} />
              <Route path="/deliveries/:id?" component={Deliveries} />
              <Route path="/endpoints/:id?" component={Endpoints} />
              <Route path="/keys" component={Keys} />
              <Route path="/users" component={Users} />
              <Route path="/audit" component={Audit} />
              <Route path="/models" component={Models} />
              <Route path="/welcome" component={Welcome} />
              <Route default component={Missing} />
            </Router>
          </ErrorBoundary>
        </main>
      </div>
    </div>
  );
}

export function App() {
  const [problem, setProblem] = useState<Problem>();
  const load = () => {
    setProblem(undefined);
    loadMe().catch((error: unknown) => setProblem(asProblem(error)));
  };
  useEffect(load, []);
  return (
    <LocationProvider>
      {me.value === undefined ? (
        problem && (
          <div class="door">
            <ProblemBox problem={problem} again={load} />
          </div>
        )
      ) : me.value ? (
        <Pages />
      ) : (
        <SignIn />
      )}
      <Toasts />
    </LocationProvider>
  );
}
