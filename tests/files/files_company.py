"""A manifest that uses every kind and most fields, for tests that change it."""

COMPANY = """\
# yaml-language-server: $schema=../../schemas/manifest.schema.json
organizations:
  org_acme: {name: ACME Corp, metadata: {tier: gold, seats: 5}, labels: {env: prod}}
model_aliases:
  gpt-4: {litellm_model: openai/gpt-4, description: Most capable, pricing_input: 30, tags: [smart, chat]}
  gpt-3.5-turbo: {litellm_model: openai/gpt-3.5-turbo, status: deprecated, sunset: 2026-12-31, replacement: gpt-4}
  shared:
    deployments:
      - {litellm_model: azure/gpt-4, api_base: "https://a.example", api_key: os.environ/AZURE_KEY, rpm: 10}
      - {litellm_model: openai/gpt-4, weight: 2, litellm_params: {mock_response: "hi"}}
access_groups:
  gpt-models: {description: OpenAI, model_aliases: [gpt-4, gpt-3.5-turbo]}
  cheap: {select: {provider: [openai, azure], max_price_input: 2.5}, protect: true}
plans:
  starter: {price_usd_per_month: 99, access_groups: [cheap], credits_allocated: 1000, rpm_limit: 60}
  pro: {extends: starter, access_groups: [gpt-models], budget_duration: 1mo, max_budget_usd: 100}
teams:
  acme-prod:
    organization_id: org_acme
    team_alias: Production
    plan: pro
    credits_allocated: 6000
    status: active
    grants: [{access_groups: [gpt-models], since: 2026-01-01, until: "2026-06-01T12:00:00Z", reason: trial}]
    top_ups: [{id: launch-1, amount: 500}]
    model_aliases: {fast: gpt-3.5-turbo}
  acme-dev: {organization_id: org_acme, plan: starter, renamed_from: acme-test}
keys:
  acme-ci: {team_id: acme-prod, models: [gpt-4], metadata: {owner: ci}}
policies:
  no-dear-dev: {rule: "team.labels.env != 'dev'", level: warning}
"""
