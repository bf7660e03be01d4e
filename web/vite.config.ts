import { defineConfig } from "vite";

// `npm run dev` shows the page with changes at once; the API is that of a `dealstage serve` beside it.
const service = process.env.DEALSTAGE_URL ?? "http://127.0.0.1:8787";

export default defineConfig({
  build: {
    target: "es2023",
    // Inlined files would be `data:` addresses, which the content security policy refuses in scripts and styles.
    assetsInlineLimit: 0,
    reportCompressedSize: true,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: {
    proxy: {
      // The host stays as the browser has it: the server takes a session from its own page only.
      "/v1": { target: service, ws: true },
      "/openapi.json": service,
      "/readyz": service,
    },
  },
});
