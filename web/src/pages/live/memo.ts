// A component that is drawn again only when a property is another.
import { Component, h, type ComponentType, type FunctionComponent } from "preact";

export function memo<P extends object>(of: FunctionComponent<P>): ComponentType<P> {
  return class Memo extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const keys = Object.keys(next) as (keyof P)[];
      return keys.some((key) => next[key] !== this.props[key as keyof typeof this.props]);
    }
    render() {
      return h(of, this.props as P);
    }
  };
}
