//! Way in: events from RabbitMQ (AMQP 0-9-1) queues into turted.
