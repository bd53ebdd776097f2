"""Which keys name a secret: both tables grow, and neither may break the other."""

import itertools

import pytest

from reconciler.core.model.secrets.literal import concealed, literal_secrets
from reconciler.core.model.secrets.names import names_a_secret

SECRET = """
password passwords db_password dbPassword DB_PASSWORD passwd pwd db_pwd dbPwd pass db_pass smtp-pass passphrase
pass_phrase ssh_passphrase passcode pw secret secrets client_secret clientSecret webhook_secret secret_key
aws_secret_access_key AWS_SECRET_ACCESS_KEY access_key accessKey access_keys api_key api-key apiKey APIKey
apikey apikeys X-Api-Key x-api-key xApiKey OPENAI_API_KEY azure_api_key api_keys apiKeys api_key_2 api_key_prod
private_key privateKey private_keys signing_key encryptionKey master_key admin_key virtual_key account_key
service_key Ocp-Apim-Subscription-Key license_key ssh_key session_key token tokens accessToken access_token
accessTokens refreshToken refresh_tokens id_token auth_token authToken bearer bearer_token bearerToken
azure_ad_token slack_token GITHUB_TOKEN github_token bot_token token_value token2 personal_access_token
authorization Authorization Proxy-Authorization auth basic_auth basicAuth cookie cookies Set-Cookie
session_cookie jwt dsn sentry_dsn SENTRY_DSN connection_string connectionString connection_strings
ConnectionString conn_str credentials credential creds vertex_credentials aws_credentials service_account
serviceAccount service_accounts webhook webhooks webhook_url webhookUrl slack_webhook slack_webhook_url
slackWebhookURL discord-webhook hook_url password_prod passwordOld secret_value api_key_b64 hmac_key
""".split()  # noqa: SIM905  a table of words

HARMLESS = """
max_tokens maxTokens max_output_tokens max_completion_tokens min_tokens input_tokens outputTokens prompt_tokens
completion_tokens total_tokens token_limit tokenLimit tokens_per_minute tokensPerMinute tpm rpm tpm_limit
rpm_limit tokens_per_credit input_cost_per_token output_cost_per_token cost_per_token
cache_read_input_token_cost token_count token_budget tokenizer tokenizer_path tokenize tokenized num_tokens
stop_token eos_token bos_token pad_token special_tokens reasoning_tokens thinking_budget_tokens budget_tokens
credit_tokens context_tokens next_page_token key keys key_id access_key_id aws_access_key_id keyboard monkey
primary_key primaryKey partition_key public_key publicKey sort_key cache_key cache_keys foreign_key key_name
key_alias keywords auth_type authType auth_method auth_mode author authors authority authorized authorized_users
authentication_type oauth_provider secretary secret_name secret_arn passed passes passing bypass passenger
compass pass_through pass_through_endpoints pass_rate password_policy password_min_length cookie_name
cookie_policy webhook_enabled webhook_events webhook_retries bearer_format service_account_name service accounts
account account_id region temperature model mock_response timeout owner contact cost_center api_base api_version
base_url string connection connections connection_timeout connection_pool description tier stage environment
team credential_name litellm_credential_name vertex_project pwned spw
""".split()  # noqa: SIM905  a table of words


@pytest.mark.parametrize("name", SECRET)
def test_secret(name):
    assert names_a_secret(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless(name):
    assert not names_a_secret(name)


def spellings(words: str):
    """The same words in snake, kebab, camel, Pascal, screaming and dotted case, with a word before them."""
    for before, plural in itertools.product(("", "acme"), ("", "s")):
        parts = [*([before] if before else []), *words.split()]
        parts[-1] += plural
        camel = parts[0] + "".join(map(str.capitalize, parts[1:]))
        yield from (
            "_".join(parts),
            "-".join(parts),
            camel,
            camel[0].upper() + camel[1:],
            "_".join(parts).upper(),
        )
        yield from (".".join(parts), " ".join(parts), "-".join(map(str.capitalize, parts)))


@pytest.mark.parametrize(
    "words",
    [
        "password",
        "api key",
        "access token",
        "client secret",
        "webhook",
        "private key",
        "credential",
        "cookie",
    ],
)
def test_in_every_spelling(words):
    assert [name for name in spellings(words) if not names_a_secret(name)] == []


@pytest.mark.parametrize(
    "words", ["max token", "input token", "cost per token", "primary key", "cache key"]
)
def test_harmless_in_every_spelling(words):
    assert [name for name in spellings(words) if names_a_secret(name)] == []


def test_everything_below_the_name_of_several_secrets_is_secret_and_beside_it_not():
    value = {
        "passwords": {"db": "hunter2", "api": ["a", "b"]},
        "auth": {"type": "basic", "user": "u", "pass": "p"},
        "max_tokens": "4096",
        "token": {"limit": 5},
    }
    paths = [
        ("passwords", "db"),
        ("passwords", "api", 0),
        ("passwords", "api", 1),
        ("auth", "pass"),
    ]
    assert list(literal_secrets(value)) == paths
    hidden = concealed(value, lambda _text: "*")
    assert hidden == {
        "passwords": {"db": "*", "api": ["*", "*"]},
        "auth": {"type": "basic", "user": "u", "pass": "*"},
        "max_tokens": "4096",
        "token": {"limit": 5},
    }


@pytest.mark.parametrize("value", ["", "os.environ/KEY", "true", "4096"])
def test_what_cannot_be_a_secret_is_none(value):
    assert list(literal_secrets({"password": value})) == (
        [] if value in ("", "os.environ/KEY") else [("password",)]
    )


def test_the_address_of_a_service_account_is_none():
    assert list(literal_secrets({"serviceAccount": "ci@project.iam.gserviceaccount.com"})) == []
    assert list(literal_secrets({"serviceAccount": '{"type": "service_account"}'})) == [
        ("serviceAccount",)
    ]


@pytest.mark.parametrize(
    "value",
    [
        "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnop",
        "https://discord.com/api/webhooks/123456789/abcdefghijklmnop",
        "Bearer abcdefghijklmnop0123",
        "Server=tcp:db,1433;User ID=x;Password=hunter2;",
        "postgres://u:p@db/x",
    ],
)
def test_forms_of_secrets_under_any_name(value):
    assert list(literal_secrets({"note": value})) == [("note",)]


@pytest.mark.parametrize(
    "value", ["https://example.com/services/T0", "the bearer of this letter", "Password=?", "sk-1"]
)
def test_texts_that_are_no_secrets(value):
    assert list(literal_secrets({"note": value})) == []
