"""Has the Python libraries that receivers use judge webhooks; see .ci/verify-webhooks."""

import json
import sys

import standardwebhooks.webhooks
import svix.webhooks

LIBRARIES = {"PyPI standardwebhooks": standardwebhooks.webhooks, "PyPI svix": svix.webhooks}

wrong = 0
judged = 0
for line in open(sys.argv[1], encoding="utf-8"):
    case = json.loads(line)
    for name, library in LIBRARIES.items():
        try:
            library.Webhook(case["secret"]).verify(case["body"], case["headers"])
            valid = True
        except library.WebhookVerificationError:
            valid = False
        judged += 1
        if valid != case["valid"]:
            wrong += 1
            print(f"{name}: {case['name']}: {'valid' if valid else 'not valid'}")
print(f"Python: {judged} judged")
sys.exit(1 if wrong or not judged else 0)
