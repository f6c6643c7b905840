//! Whatever the history and however it is cut, a view comes to the same rows.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::access_log::AccessLog;
use crate::api_key_list::ApiKeyList;
use crate::channel_list::ChannelList;
use crate::delivery_engagement::DeliveryEngagement;
use crate::delivery_log::DeliveryLog;
use crate::engagement_periods::EngagementPeriods;
use crate::import_rejections::ImportRejections;
use crate::import_status::ImportStatus;
use crate::publication_status::PublicationStatus;
use crate::segment_list::SegmentList;
use crate::subscriber_profile::SubscriberProfile;
use crate::suppression_list::SuppressionList;
use crate::test_support::{any_history, obeys_the_law};
use crate::topic_list::TopicList;

macro_rules! laws {
    ($($name:ident: $view:ty;)*) => {
        proptest! {
            $(
                #[test]
                fn $name(history in any_history(), places in prop::collection::vec(any::<Index>(), 0..5)) {
                    obeys_the_law::<$view>(&history, &places)?;
                }
            )*
        }

        #[test]
        fn every_view_is_put_to_the_test() {
            use tidings_event_store::view::View as _;
            let tested = [$(<$view>::DEFINITION.name),*];
            let registered: Vec<&str> = crate::VIEWS.iter().map(crate::Registered::name).collect();
            assert_eq!(tested.as_slice(), registered);
        }
    };
}

laws! {
    access_log_merges: AccessLog;
    api_key_list_merges: ApiKeyList;
    channel_list_merges: ChannelList;
    delivery_engagement_merges: DeliveryEngagement;
    delivery_log_merges: DeliveryLog;
    engagement_periods_merge: EngagementPeriods;
    import_rejections_merge: ImportRejections;
    import_status_merges: ImportStatus;
    publication_status_merges: PublicationStatus;
    segment_list_merges: SegmentList;
    subscriber_profile_merges: SubscriberProfile;
    suppression_list_merges: SuppressionList;
    topic_list_merges: TopicList;
}
