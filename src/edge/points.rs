use chitty_core::analytics::{DataPoint, DataPoints};
use serde_json::json;
use worker::AnalyticsEngineDataset;

use crate::web;

/// A dataset of Workers Analytics Engine.
#[derive(Debug)]
pub struct Dataset(pub AnalyticsEngineDataset);

impl DataPoints for Dataset {
    fn write(&self, point: &DataPoint) {
        let DataPoint {
            index,
            blobs,
            doubles,
        } = point;
        let data = json!({ "indexes": [index], "blobs": blobs, "doubles": doubles });
        // One point less on a dashboard is not worth a word.
        let _lost = web::point(self.0.as_ref(), &data.to_string());
    }
}
