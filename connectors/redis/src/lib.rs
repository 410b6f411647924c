//! Way in: events from Redis Pub/Sub and Streams into turted.
