// A small window at a button: Escape and a click elsewhere close it.
import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";

const EDGE = 8;

function place(box: HTMLElement, button: HTMLElement): void {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  const left = Math.min(Math.max(EDGE, at.right - width), innerWidth - width - EDGE);
  const below = at.bottom + 4;
  const top = below + height <= innerHeight - EDGE ? below : Math.max(EDGE, at.top - height - 4);
  box.style.left = `${Math.max(EDGE, left)}px`;
  box.style.top = `${top}px`;
}

export function Menu(props: {
  /** What the button does, in words. */
  label: string;
  /** What is seen of it. */
  face: ComponentChildren;
  class?: string;
  disabled?: boolean;
  children: (close: () => void) => ComponentChildren;
}) {
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  return (
    <>
      <button
        ref={button}
        type="button"
        class={props.class ?? "plain small"}
        disabled={props.disabled}
        aria-label={props.label}
        title={props.label}
        aria-haspopup="dialog"
        aria-expanded={open}
        {...{ popovertarget: id }}
      >
        {props.face}
      </button>
      <div
        id={id}
        ref={box}
        class="call-menu card stack"
        role="dialog"
        aria-label={props.label}
        {...{ popover: "auto" }}
        onBeforeToggle={(event: Event) => {
          // Filled before it is shown, so that it is placed by its real size.
          if ((event as ToggleEvent).newState === "open") setOpen(true);
        }}
        onToggle={(event: Event) => {
          if ((event as ToggleEvent).newState === "closed") {
            setOpen(false);
            // A button that was disabled while it worked has lost the focus, which nobody gives back.
            if (document.activeElement === document.body) button.current?.focus({ preventScroll: true });
            return;
          }
          requestAnimationFrame(() => {
            if (!box.current || !button.current) return;
            place(box.current, button.current);
            box.current.querySelector<HTMLElement>("select, input, textarea, button")?.focus({ preventScroll: true });
          });
        }}
      >
        {open && props.children(() => box.current?.hidePopover())}
      </div>
    </>
  );
}
