//! Every read, registered and described.

use actix_web::web;

use crate::{
    access_log, api_key_list, audit_head, channel_list, delivery_log, engagement_periods,
    import_status, publication_accounting, publication_analytics, publication_engagement,
    publication_status, segment_list, subscriber_export, subscriber_profile, subscriber_timeline,
    suppression_list, topic_list, view_positions,
};
use tidings_service::access::{Gate, Route, serve};

/// Every route that [`routes`] registers.
pub const ROUTES: &[Route] = &[
    publication_status::list::ROUTE,
    publication_status::get::ROUTE,
    publication_accounting::get::ROUTE,
    publication_engagement::get::ROUTE,
    engagement_periods::list::ROUTE,
    delivery_log::of_publication::ROUTE,
    delivery_log::get::ROUTE,
    subscriber_profile::list::ROUTE,
    subscriber_profile::export::ROUTE,
    subscriber_profile::get::ROUTE,
    subscriber_profile::erasure::ROUTE,
    subscriber_profile::preferences::ROUTE,
    subscriber_timeline::get::ROUTE,
    subscriber_export::post::ROUTE,
    suppression_list::list::ROUTE,
    channel_list::list::ROUTE,
    channel_list::get::ROUTE,
    topic_list::list::ROUTE,
    topic_list::get::ROUTE,
    segment_list::list::ROUTE,
    segment_list::get::ROUTE,
    segment_list::preview::ROUTE,
    segment_list::preview_of::ROUTE,
    import_status::get::ROUTE,
    publication_analytics::get::ROUTE,
    view_positions::list::ROUTE,
    audit_head::get::ROUTE,
    access_log::list::ROUTE,
    api_key_list::list::ROUTE,
    api_key_list::get::ROUTE,
];

/// OpenAPI description of [`ROUTES`]. The scheme `bearer` is declared by whoever puts the rooms together.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    publication_status::list::list_publications,
    publication_status::get::get_publication,
    publication_accounting::get::get_accounting,
    publication_engagement::get::get_engagement,
    engagement_periods::list::list_periods,
    delivery_log::of_publication::list_deliveries,
    delivery_log::get::get_delivery,
    subscriber_profile::list::list_subscribers,
    subscriber_profile::export::export_subscribers,
    subscriber_profile::get::get_subscriber,
    subscriber_profile::erasure::get_erasure,
    subscriber_profile::preferences::get_preferences,
    subscriber_timeline::get::get_timeline,
    subscriber_export::post::export_subscriber,
    suppression_list::list::list_suppressions,
    channel_list::list::list_channels,
    channel_list::get::get_channel,
    topic_list::list::list_topics,
    topic_list::get::get_topic,
    segment_list::list::list_segments,
    segment_list::get::get_segment,
    segment_list::preview::preview_segment,
    segment_list::preview_of::get_segment_preview,
    import_status::get::get_import,
    publication_analytics::get::get_analytics,
    view_positions::list::list_views,
    audit_head::get::get_audit,
    access_log::list::list_access,
    api_key_list::list::list_api_keys,
    api_key_list::get::get_api_key,
), modifiers(&Gate))]
pub struct Api;

/// Registers every read. Needs `web::Data<Reader>`, `web::Data<Clock>`, `web::Data<Standings>`, `web::Data<Authenticator>` and the edge of `service::http`.
pub fn routes(cfg: &mut web::ServiceConfig) {
    serve(
        cfg,
        publication_status::list::ROUTE,
        publication_status::list::list_publications,
    );
    serve(
        cfg,
        publication_status::get::ROUTE,
        publication_status::get::get_publication,
    );
    serve(
        cfg,
        publication_accounting::get::ROUTE,
        publication_accounting::get::get_accounting,
    );
    serve(
        cfg,
        delivery_log::of_publication::ROUTE,
        delivery_log::of_publication::list_deliveries,
    );
    serve(
        cfg,
        delivery_log::get::ROUTE,
        delivery_log::get::get_delivery,
    );
    of_engagement(cfg);
    of_subscribers(cfg);
    of_segments(cfg);
    serve(
        cfg,
        suppression_list::list::ROUTE,
        suppression_list::list::list_suppressions,
    );
    serve(
        cfg,
        channel_list::list::ROUTE,
        channel_list::list::list_channels,
    );
    serve(
        cfg,
        channel_list::get::ROUTE,
        channel_list::get::get_channel,
    );
    serve(cfg, topic_list::list::ROUTE, topic_list::list::list_topics);
    serve(cfg, topic_list::get::ROUTE, topic_list::get::get_topic);
    serve(
        cfg,
        import_status::get::ROUTE,
        import_status::get::get_import,
    );
    serve(
        cfg,
        publication_analytics::get::ROUTE,
        publication_analytics::get::get_analytics,
    );
    serve(
        cfg,
        view_positions::list::ROUTE,
        view_positions::list::list_views,
    );
    serve(cfg, audit_head::get::ROUTE, audit_head::get::get_audit);
    serve(cfg, access_log::list::ROUTE, access_log::list::list_access);
    of_api_keys(cfg);
}

fn of_engagement(cfg: &mut web::ServiceConfig) {
    serve(
        cfg,
        publication_engagement::get::ROUTE,
        publication_engagement::get::get_engagement,
    );
    serve(
        cfg,
        engagement_periods::list::ROUTE,
        engagement_periods::list::list_periods,
    );
}

fn of_api_keys(cfg: &mut web::ServiceConfig) {
    serve(
        cfg,
        api_key_list::list::ROUTE,
        api_key_list::list::list_api_keys,
    );
    serve(
        cfg,
        api_key_list::get::ROUTE,
        api_key_list::get::get_api_key,
    );
}

fn of_segments(cfg: &mut web::ServiceConfig) {
    serve(
        cfg,
        segment_list::list::ROUTE,
        segment_list::list::list_segments,
    );
    // Before what takes any word for an id.
    serve(
        cfg,
        segment_list::preview::ROUTE,
        segment_list::preview::preview_segment,
    );
    serve(
        cfg,
        segment_list::get::ROUTE,
        segment_list::get::get_segment,
    );
    serve(
        cfg,
        segment_list::preview_of::ROUTE,
        segment_list::preview_of::get_segment_preview,
    );
}

fn of_subscribers(cfg: &mut web::ServiceConfig) {
    serve(
        cfg,
        subscriber_profile::list::ROUTE,
        subscriber_profile::list::list_subscribers,
    );
    // Before what takes any word for an id.
    serve(
        cfg,
        subscriber_profile::export::ROUTE,
        subscriber_profile::export::export_subscribers,
    );
    serve(
        cfg,
        subscriber_profile::get::ROUTE,
        subscriber_profile::get::get_subscriber,
    );
    serve(
        cfg,
        subscriber_profile::erasure::ROUTE,
        subscriber_profile::erasure::get_erasure,
    );
    serve(
        cfg,
        subscriber_profile::preferences::ROUTE,
        subscriber_profile::preferences::get_preferences,
    );
    serve(
        cfg,
        subscriber_timeline::get::ROUTE,
        subscriber_timeline::get::get_timeline,
    );
    serve(
        cfg,
        subscriber_export::post::ROUTE,
        subscriber_export::post::export_subscriber,
    );
}
