// A long list of which only what is seen is in the page. Rows may differ in height: each is measured as it appears. The
// window scrolls, not the list.
import {
  Virtualizer,
  elementScroll,
  observeElementOffset,
  observeElementRect,
  observeWindowOffset,
  observeWindowRect,
  windowScroll,
} from "@tanstack/virtual-core";
import type { ComponentChildren, RefObject } from "preact";
import { useImperativeHandle, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";

export interface ListHandle {
  /** Brings a row into view. */
  scrollTo: (index: number, options?: { smooth?: boolean }) => void;
}

export function VirtualList<T>(props: {
  items: readonly T[];
  keyOf: (item: T, index: number) => string | number;
  /** Pixels, as a first guess. */
  estimate: number;
  render: (item: T, index: number) => ComponentChildren;
  handle?: RefObject<ListHandle | null>;
  /** What scrolls; by default the window. */
  scroller?: RefObject<HTMLElement | null>;
  label: string;
}) {
  const list = useRef<HTMLDivElement>(null);
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const [margin, setMargin] = useState(0);
  const common = {
    count: props.items.length,
    estimateSize: () => props.estimate,
    getItemKey: (index: number) => {
      const item = props.items[index];
      return item === undefined ? index : props.keyOf(item, index);
    },
    overscan: 6,
    onChange: () => redraw(undefined),
  };
  // Two kinds of scroller, one kind of use.
  const options = props.scroller
    ? {
        ...common,
        getScrollElement: () => props.scroller?.current ?? null,
        observeElementRect,
        observeElementOffset,
        scrollToFn: elementScroll,
      }
    : {
        ...common,
        getScrollElement: () => window,
        observeElementRect: observeWindowRect,
        observeElementOffset: observeWindowOffset,
        scrollToFn: windowScroll,
        initialOffset: () => window.scrollY,
        scrollMargin: margin,
      };
  const [virtualizer] = useState(() => new Virtualizer<any, Element>(options as never));
  virtualizer.setOptions(options as never);
  // One and the same at every step: a new one would have each row measured again.
  const [measure] = useState(() => (element: Element | null) => virtualizer.measureElement(element));
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  useLayoutEffect(() => {
    if (!props.scroller && list.current) setMargin(list.current.getBoundingClientRect().top + window.scrollY);
  }, []);
  useImperativeHandle(props.handle ?? { current: null }, () => ({
    scrollTo: (index, how) =>
      virtualizer.scrollToIndex(index, { align: "center", behavior: how?.smooth ? "smooth" : "auto" }),
  }));
  return (
    <div
      ref={list}
      role="list"
      aria-label={props.label}
      style={{ height: `${virtualizer.getTotalSize()}px`, position: "relative" }}
    >
      {virtualizer.getVirtualItems().map((row) => {
        const item = props.items[row.index];
        if (item === undefined) return null;
        return (
          <div
            key={row.key as string}
            role="listitem"
            aria-setsize={props.items.length}
            aria-posinset={row.index + 1}
            data-index={row.index}
            ref={measure}
            style={{
              position: "absolute",
              insetInline: 0,
              top: 0,
              transform: `translateY(${row.start - (props.scroller ? 0 : margin)}px)`,
            }}
          >
            {props.render(item, row.index)}
          </div>
        );
      })}
    </div>
  );
}
