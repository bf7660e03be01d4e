//! Any service that speaks the chat completions of OpenAI.

use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::{ApiError, ApiErrorResponse, OpenAIError};
use async_openai::middleware::HttpRequestFactory;
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;

use super::{ChatModel, Error, Form, Options, Question};
use crate::guard::{self, Blocked};

pub struct OpenAi {
    client: Client<OpenAIConfig>,
    runtime: tokio::runtime::Runtime,
    /// Without a name or password in it.
    address: String,
    model: String,
    form: Form,
}

/// The setting of the address.
const ADDRESS: &str = "DEALSTAGE_LLM_BASE_URL";

/// An answer labels a dozen turns at most; a model that goes on is lost.
const LONGEST_ANSWER: u32 = 2000;

/// What is read of an answer. Services differ in the rest.
#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

impl OpenAi {
    pub fn new(options: &Options) -> Result<Self, Error> {
        let setting = |what: &str, cause: &dyn std::fmt::Display| Error::Setting(format!("{what}: {cause}"));
        let base_url = options.base_url.trim().trim_end_matches('/');
        let key = options.api_key.expose_secret().trim();
        HeaderValue::from_str(key).map_err(|_| setting("DEALSTAGE_LLM_API_KEY", &"it has letters that no key has"))?;
        let mut address = reqwest::Url::parse(base_url)
            .map_err(|error| setting(ADDRESS, &format!("{error}; write it like http://127.0.0.1:8080/v1")))?;
        // Neither fails on an address with a host, and one without fails when it is asked.
        let _ = address.set_password(None);
        let _ = address.set_username("");
        // Every setting is given: by itself the library reads OPENAI_* variables.
        let config = OpenAIConfig::new()
            .with_api_base(base_url)
            .with_api_key(key)
            .with_org_id("")
            .with_project_id("");
        // The operator of the machine names this address: it may be in the own network. What the guard refuses all the same
        // is refused here where it is an address, and where a name leads when it is asked.
        let http = guard::named(&address).map_err(|error| setting(ADDRESS, &error))?;
        // In the place of the library's own service: that retries by itself (how often and how long is for the session to
        // say), and takes an error whose body it does not know for an answer.
        let service = tower::service_fn(move |request: HttpRequestFactory| {
            let http = http.clone();
            async move {
                let response = http
                    .execute(request.build().await?)
                    .await
                    .map_err(OpenAIError::Reqwest)?;
                let status_code = response.status();
                if status_code.is_success() {
                    return Ok(response);
                }
                let api_error = ApiError::default();
                Err(OpenAIError::ApiError(ApiErrorResponse { status_code, api_error }))
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| setting("language model", &error))?;
        Ok(Self {
            client: Client::with_config(config).with_http_service(service),
            runtime,
            address: address.as_str().trim_end_matches('/').to_owned(),
            model: options.model.trim().to_owned(),
            form: options.form,
        })
    }
}

impl ChatModel for OpenAi {
    fn name(&self) -> &str {
        &self.model
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn ask(&self, question: &Question, within: Duration) -> Result<String, Error> {
        let response_format = match self.form {
            Form::JsonSchema => json!({
                "type": "json_schema",
                "json_schema": { "name": question.form, "schema": question.schema, "strict": true },
            }),
            Form::JsonObject => json!({ "type": "json_object", "schema": question.schema }),
        };
        let longest = match self.form {
            Form::JsonSchema => "max_completion_tokens",
            Form::JsonObject => "max_tokens",
        };
        let request = json!({
            "model": self.model,
            "messages": [{ "role": "user", "content": question.text }],
            "temperature": 0.0,
            "seed": 1,
            longest: LONGEST_ANSWER,
            "response_format": response_format,
        });
        let chat = self.client.chat();
        let answered = self.runtime.block_on(async {
            let answer = chat.create_byot::<_, Completion>(&request);
            tokio::time::timeout(within, answer).await
        });
        let completion = match answered {
            Ok(answered) => answered.map_err(error_of)?,
            Err(_) => return Err(Error::TimeLimit(within)),
        };
        let choice = completion.choices.into_iter().next();
        choice
            .and_then(|choice| choice.message.content)
            .ok_or_else(|| Error::Form("it has no text".to_owned()))
    }
}

fn error_of(error: OpenAIError) -> Error {
    match error {
        OpenAIError::ApiError(answer) => match answer.status_code.as_u16() {
            status @ (408 | 409 | 425 | 429) => Error::Busy(status),
            status @ 500.. => Error::Failed(status),
            status => Error::Refused(status),
        },
        OpenAIError::Reqwest(error) => {
            if let Some(blocked) = Blocked::of(&error) {
                return Error::Setting(format!("{ADDRESS}: {blocked}"));
            }
            let unreached = error.is_connect() || error.is_builder();
            let cause = error.without_url().to_string();
            if unreached {
                Error::Unreachable(cause)
            } else {
                Error::Broken(cause)
            }
        }
        OpenAIError::JSONDeserialize(cause, _) => Error::form(&cause),
        // Whatever else the library says may quote the answer.
        _ => Error::Form("it is no chat completion".to_owned()),
    }
}
