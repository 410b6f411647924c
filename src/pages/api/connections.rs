//! `DELETE /api/connections/{id}`: throws one connection out, whoever it is.

use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use log::info;
use serde_json::json;
use turted_core::Api as Level;

use super::{Api, answer, id, name, part, resource};
use crate::dispatcher::messages::{Expel, Whom};
use crate::gate::Shared;
use crate::gate::entrance::Refused;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(resource("/connections/{id}", "DELETE", [web::delete().to(delete)]));
}

async fn delete(request: HttpRequest, shared: web::Data<Shared>, api: web::Data<Api>) -> HttpResponse {
    answer(&request, &shared, Level::All, async |who| {
        let id = id(&part(&request)?, "the id in the path")?;
        let expel = Expel {
            whom: Whom::Connection(id.clone()),
            except: Vec::new(),
            ban: None,
        };
        let connections = api.ask(expel).await?;
        if connections == 0 {
            let why = "there is no connection with this id";
            return Err(Refused::new(StatusCode::NOT_FOUND, "not_found", why));
        }
        info!("{} ended the connection {id:?}", name(&who));
        Ok(json!({"connections": connections}))
    })
    .await
}
