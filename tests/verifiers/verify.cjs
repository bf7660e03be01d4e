// Has the JavaScript libraries that receivers use judge webhooks; see .ci/verify-webhooks.
const fs = require("node:fs");

const libraries = { "npm standardwebhooks": require("standardwebhooks"), "npm svix": require("svix") };

let wrong = 0;
let judged = 0;
for (const line of fs.readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean)) {
  const wanted = JSON.parse(line);
  for (const [name, library] of Object.entries(libraries)) {
    let valid = true;
    try {
      new library.Webhook(wanted.secret).verify(wanted.body, wanted.headers);
    } catch (error) {
      if (!(error instanceof library.WebhookVerificationError)) throw error;
      valid = false;
    }
    judged += 1;
    if (valid !== wanted.valid) {
      wrong += 1;
      console.log(`${name}: ${wanted.name}: ${valid ? "valid" : "not valid"}`);
    }
  }
}
console.log(`JavaScript: ${judged} judged`);
process.exit(wrong || !judged ? 1 : 0);
