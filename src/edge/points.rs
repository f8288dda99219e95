use chitty_core::analytics::{DataPoint, DataPoints};
use worker::{AnalyticsEngineDataPointBuilder, AnalyticsEngineDataset};

/// A dataset of Workers Analytics Engine.
#[derive(Debug)]
pub struct Dataset(pub AnalyticsEngineDataset);

impl DataPoints for Dataset {
    fn write(&self, point: &DataPoint) {
        let data = AnalyticsEngineDataPointBuilder::new()
            .indexes([point.index.as_str()])
            .blobs(point.blobs.iter().map(String::as_str))
            .doubles(point.doubles);
        // One point less on a dashboard is not worth a word.
        let _lost = data.write_to(&self.0);
    }
}
