#pragma once

/* Names that Kafka has and we do not use. One that ends in '.' stands for all that begin so. */
extern const char *const config_unused_names[]; /* ends with NULL */
