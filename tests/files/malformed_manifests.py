"""Malformed manifests: what is wrong, the code, and where exactly a reader must look (line:column)."""

MANIFESTS: dict[str, tuple[str, dict[str, str]]] = {
    # the YAML itself
    "tab in the indentation": ("teams:\n\tacme: {}\n", {"2:1": "yaml-tab"}),
    "tab after spaces": ("teams:\n  acme:\n  \tplan: pro\n", {"3:3": "yaml-tab"}),
    "indentation that fits nothing": ("teams:\n    acme: {}\n  beta: {}\n", {"3:3": "yaml-syntax"}),
    "list that is not closed": (
        "teams:\n  acme: {access_groups: [a, b}\n",
        {"2:25": "yaml-syntax"},
    ),
    "mapping that is not closed": ("teams: {acme: {}\n", {"1:8": "yaml-syntax"}),
    "quote that is not closed": ("teams:\n  acme: {plan: 'pro}\n", {"2:16": "yaml-syntax"}),
    "colon in a plain value": ("teams:\n  acme:\n    team_alias: a: b\n", {"3:18": "yaml-syntax"}),
    "value that starts with @": ("teams:\n  acme:\n    plan: @pro\n", {"3:11": "yaml-syntax"}),
    "value that starts with a percent sign": (
        "teams:\n  acme:\n    plan: %pro\n",
        {"3:11": "yaml-syntax"},
    ),
    "unknown escape": ('teams:\n  acme: {plan: "a\\qb"}\n', {"2:18": "yaml-syntax"}),
    "bare text beside a mapping": ("teams:\n  acme: {}\nfoo\n", {"3:1": "yaml-syntax"}),
    "key twice": ("teams:\n  acme:\n    plan: a\n    plan: b\n", {"4:5": "yaml-duplicate-key"}),
    "id twice in one section": ("teams:\n  acme: {}\n  acme: {}\n", {"3:3": "yaml-duplicate-key"}),
    "section twice": ("teams:\n  a: {}\nteams:\n  b: {}\n", {"3:1": "yaml-duplicate-key"}),
    "unquoted no": ("teams:\n  acme: {team_alias: no}\n", {"2:22": "yaml-ambiguous"}),
    "unquoted on as a label": (
        "teams:\n  acme:\n    labels: {beta: on}\n",
        {"3:20": "yaml-ambiguous"},
    ),
    "unquoted yes as a boolean": (
        "teams:\n  acme:\n    protect: yes\n",
        {"3:14": "yaml-ambiguous"},
    ),
    "unquoted y in a list": (
        "access_groups:\n  g: {model_aliases: [y]}\n",
        {"2:23": "yaml-ambiguous"},
    ),
    "leading zero": ("teams:\n  acme:\n    credits_allocated: 010\n", {"3:24": "yaml-ambiguous"}),
    "underscores in a number": (
        "teams:\n  acme:\n    credits_allocated: 1_000\n",
        {"3:24": "yaml-ambiguous"},
    ),
    "sexagesimal": (
        "teams:\n  acme:\n    credits_allocated: 12:30:45\n",
        {"3:24": "yaml-ambiguous"},
    ),
    "not a number": ("teams:\n  acme:\n    max_budget_usd: .nan\n", {"3:21": "yaml-number"}),
    "infinite": ("teams:\n  acme:\n    max_budget_usd: -.inf\n", {"3:21": "yaml-number"}),
    "infinite by its exponent": (
        "teams:\n  acme:\n    max_budget_usd: 1e999\n",
        {"3:21": "yaml-number"},
    ),
    "number of forty digits": (
        f"teams:\n  acme:\n    credits_allocated: {'9' * 40}\n",
        {"3:24": "yaml-number"},
    ),
    "number as an id": ("teams:\n  1: {}\n", {"2:3": "yaml-key"}),
    "null as an id": ("teams:\n  null: {}\n", {"2:3": "yaml-key"}),
    "true as a label": ("teams:\n  acme:\n    labels: {true: a}\n", {"3:14": "yaml-key"}),
    "list as a key": ("teams:\n  ? [a, b]\n  : {}\n", {"2:5": "yaml-key"}),
    "python object": ("teams:\n  acme: !!python/object:os.system {}\n", {"2:9": "yaml-tag"}),
    "custom tag": ("teams:\n  acme:\n    plan: !secret pro\n", {"3:11": "yaml-tag"}),
    "set": (
        "teams:\n  acme:\n    access_groups: !!set {a}\n",
        {"3:20": "yaml-tag", "3:5": "wrong-type"},
    ),
    "alias without an anchor": ("teams:\n  acme: *base\n", {"2:9": "yaml-alias"}),
    "alias inside its own anchor": ("teams: &t\n  acme: *t\n", {"2:9": "yaml-alias"}),
    "merge of a list item that is no mapping": (
        "teams:\n  acme:\n    <<: [1]\n",
        {"3:5": "yaml-merge"},
    ),
    "NUL character": ("teams:\n  acme: {plan: a\x00}\n", {"2:17": "yaml-encoding"}),
    "nested too deep": (f"teams: {'[' * 100}\n", {"1:68": "yaml-depth"}),
    # sections and ids
    "unknown section": ("tems:\n  acme: {}\n", {"1:1": "unknown-section"}),
    "second section unknown": ("teams: {}\nmodels: {}\n", {"2:1": "unknown-section"}),
    "manifest that is a list": ("- teams\n", {"1:1": "wrong-type"}),
    "manifest that is a text": ("hello\n", {"1:1": "wrong-type"}),
    "section that is a list": ("teams:\n  - acme\n", {"1:1": "wrong-type"}),
    "section that is a number": ("teams: 3\n", {"1:8": "wrong-type"}),
    "spec that is missing": ("teams:\n  acme:\n", {"2:8": "wrong-type"}),
    "spec that is a text": ("teams:\n  acme: pro\n", {"2:9": "wrong-type"}),
    "spec that is a list": ("teams:\n  acme: [a]\n", {"2:3": "wrong-type"}),
    "id in two documents": (
        "teams: {acme: {}}\n---\nteams:\n  acme: {}\n",
        {"4:3": "duplicate-id"},
    ),
    # specs
    "unknown key": ("teams:\n  acme:\n    acess_groups: [a]\n", {"3:5": "unknown-key"}),
    "two unknown keys": (
        "teams:\n  acme:\n    foo: 1\n    bar: 2\n",
        {"3:5": "unknown-key", "4:5": "unknown-key"},
    ),
    "unknown key in a nested spec": (
        "teams:\n  acme:\n    top_ups:\n      - {id: a, amount: 1, x: 2}\n",
        {"4:28": "unknown-key"},
    ),
    "missing name": ("organizations:\n  acme: {}\n", {"2:3": "missing-key"}),
    "missing until": (
        "teams:\n  acme:\n    grants:\n      - {access_groups: [a]}\n",
        {"4:9": "missing-key"},
    ),
    "boolean where text belongs": (
        "organizations:\n  acme: {name: true}\n",
        {"2:16": "wrong-type"},
    ),
    "number where text belongs": (
        "organizations:\n  acme:\n    name: 42\n",
        {"3:11": "wrong-type"},
    ),
    "text where a number belongs": (
        "teams:\n  acme:\n    rpm_limit: many\n",
        {"3:16": "wrong-type"},
    ),
    "quoted number": ("teams:\n  acme:\n    rpm_limit: '5'\n", {"3:16": "wrong-type"}),
    "fraction of a credit": (
        "teams:\n  acme:\n    credits_allocated: 1.5\n",
        {"3:24": "wrong-type"},
    ),
    "whole number as a float": (
        "teams:\n  acme:\n    credits_allocated: 1.0\n",
        {"3:24": "wrong-type"},
    ),
    "boolean as text": ("teams:\n  acme:\n    protect: 'true'\n", {"3:14": "wrong-type"}),
    "list where text belongs": ("teams:\n  acme:\n    plan: [pro]\n", {"3:5": "wrong-type"}),
    "text where a list belongs": (
        "teams:\n  acme:\n    access_groups: gpt\n",
        {"3:20": "wrong-type"},
    ),
    "number in a list of names": (
        "access_groups:\n  g:\n    model_aliases:\n      - a\n      - 4\n",
        {"5:9": "wrong-type"},
    ),
    "null where a list belongs": ("teams:\n  acme:\n    access_groups:\n", {"3:19": "wrong-type"}),
    "label that is a number": ("teams:\n  acme: {labels: {a: 1}}\n", {"2:22": "wrong-type"}),
    "select that is a text": ("access_groups:\n  g: {select: openai}\n", {"2:15": "wrong-type"}),
    "select with a wrong provider": (
        "access_groups:\n  g: {select: {provider: [a, 3]}}\n",
        {"2:30": "wrong-type"},
    ),
    "entry twice": ("teams:\n  acme:\n    access_groups: [a, b, a]\n", {"3:27": "duplicate-entry"}),
    "entry twice in a block list": (
        "access_groups:\n  g:\n    model_aliases:\n      - a\n      - a\n",
        {"5:9": "duplicate-entry"},
    ),
    "unknown status": ("teams:\n  acme: {status: activ}\n", {"2:18": "not-allowed"}),
    "unknown credits mode": (
        "plans:\n  pro:\n    credits_mode: monthly\n",
        {"3:19": "not-allowed"},
    ),
    "negative credits": ("teams:\n  acme:\n    credits_allocated: -1\n", {"3:24": "out-of-range"}),
    "top-up of nothing": (
        "teams:\n  acme:\n    top_ups: [{id: a, amount: 0}]\n",
        {"3:31": "out-of-range"},
    ),
    "more than a database holds": (
        "teams:\n  acme:\n    top_ups: [{id: a, amount: 2147483648}]\n",
        {"3:31": "out-of-range"},
    ),
    "unknown duration": ("plans:\n  pro:\n    budget_duration: 30 days\n", {"3:22": "bad-format"}),
    "sunset in words": (
        "model_aliases:\n  a: {litellm_model: x/y, sunset: soon}\n",
        {"2:35": "bad-format"},
    ),
    "day that does not exist": (
        "model_aliases:\n  a: {litellm_model: x/y, sunset: 2026-02-30}\n",
        {"2:35": "bad-format"},
    ),
    "grant until no day": (
        "teams:\n  acme:\n    grants: [{access_groups: [a], until: 5}]\n",
        {"3:42": "wrong-type"},
    ),
    "grant of nothing": (
        "teams:\n  acme:\n    grants: [{access_groups: [], until: 2026-01-01}]\n",
        {"3:15": "too-short"},
    ),
    "literal key of a deployment": (
        "model_aliases:\n  a:\n    deployments:\n      - {litellm_model: x/y, api_key: sk-1234}\n",
        {"4:39": "bad-format"},
    ),
    "empty model": ("model_aliases:\n  a: {litellm_model: ''}\n", {"2:22": "too-short"}),
    "alias description too long": (
        f"model_aliases:\n  a: {{litellm_model: x/y, description: {'x' * 2001}}}\n",
        {"2:40": "too-long"},
    ),
    "rule without a text": ("policies:\n  p: {rule: ''}\n", {"2:13": "too-short"}),
    "key without a team": ("keys:\n  k: {models: [a]}\n", {"2:3": "missing-key"}),
    # variables
    "variable that is not set": (
        "teams:\n  acme:\n    plan: ${RECONCILER_VAR_PLAN}\n",
        {"3:11": "variable-unset"},
    ),
    "variable within a text": (
        "teams:\n  acme:\n    team_alias: x ${RECONCILER_VAR_A} y\n",
        {"3:17": "variable-unset"},
    ),
    "variable without a name": ("teams:\n  acme:\n    plan: ${}\n", {"3:11": "variable-syntax"}),
    "variable that is not closed": (
        "teams:\n  acme:\n    plan: ${RECONCILER_VAR_PLAN\n",
        {"3:11": "variable-syntax"},
    ),
    "default of the wrong type": (
        "teams:\n  acme:\n    rpm_limit: ${RECONCILER_VAR_R:-many}\n",
        {"3:16": "wrong-type"},
    ),
}

SETTINGS: dict[str, tuple[str, dict[str, str]]] = {
    "unknown key": ("gatways: {}\n", {"1:1": "unknown-key"}),
    "key twice": ("prune: owned\nprune: all\n", {"2:1": "yaml-duplicate-key"}),
    "tab": ("safety:\n\tallow_loss: true\n", {"2:1": "yaml-tab"}),
    "list": ("- prune\n", {"1:1": "wrong-type"}),
    "two documents": ("prune: all\n---\nprune: owned\n", {"1:1": "bad-value"}),
    "unknown prune": ("prune: everything\n", {"1:8": "not-allowed"}),
    "unknown backend": ("gateways:\n  embedded: {backend: litelm}\n", {"2:23": "not-allowed"}),
    "gateway without a backend": ("gateways:\n  embedded: {}\n", {"2:3": "missing-key"}),
    "url without a scheme": (
        "gateways:\n  embedded: {backend: litellm, url: localhost}\n",
        {"2:37": "bad-format"},
    ),
    "url with a port that is none": (
        "gateways:\n  embedded: {backend: embedded, url: 'http://h:99999'}\n",
        {"2:38": "bad-value"},
    ),
    "url with a word for a port": (
        "gateways:\n  embedded: {backend: embedded, url: 'http://h:80a/'}\n",
        {"2:38": "bad-value"},
    ),
    "url with a blank": (
        "gateways:\n  embedded: {backend: embedded, url: 'http://h a'}\n",
        {"2:38": "bad-value"},
    ),
    "ledger in a database of another sort": (
        "ledger: {url: 'mysql://db/x'}\n",
        {"1:15": "bad-format"},
    ),
    "ledger's url without a scheme": ("ledger: {url: 'postgresql:db'}\n", {"1:15": "bad-format"}),
    "litellm without a url": (
        "gateways:\n  embedded:\n    backend: litellm\n",
        {"3:14": "bad-value"},
    ),
    "default gateway unknown": (
        "default_gateway: prd\ngateways: {prod: {backend: embedded}}\n",
        {"1:18": "bad-value"},
    ),
    "per cent above 100": ("safety:\n  max_delete_percent: 300\n", {"2:23": "out-of-range"}),
    "text for a boolean": ("safety: {allow_loss: 'true'}\n", {"1:22": "wrong-type"}),
    "unquoted yes for a boolean": ("safety: {allow_loss: yes}\n", {"1:22": "yaml-ambiguous"}),
    "concurrency of nothing": (
        "gateways: {embedded: {backend: embedded, concurrency: 0}}\n",
        {"1:55": "out-of-range"},
    ),
    "unknown level": ("lint:\n  name-style: loud\n", {"2:15": "not-allowed"}),
    "admin key as a value": (
        "gateways:\n  embedded: {backend: embedded, admin_key: hunter2}\n",
        {"2:33": "secret-in-settings"},
    ),
    "password in a gateway's url": (
        "gateways:\n  embedded: {backend: litellm, url: 'http://root:hunter2@localhost'}\n",
        {"2:32": "secret-in-settings"},
    ),
    "password in the ledger's url": (
        "ledger: {url: 'postgresql://root:hunter2@db/x'}\n",
        {"1:10": "secret-in-settings"},
    ),
    "admin key where a variable's name belongs": (
        "gateways:\n  embedded: {backend: embedded, admin_key_env: sk-hunter2}\n",
        {"2:48": "bad-format"},
    ),
    "lock of zero seconds": ("ledger: {lock_seconds: 0}\n", {"1:24": "out-of-range"}),
    "no gateways at all": ("gateways: {}\n", {"1:1": "bad-value"}),
}
