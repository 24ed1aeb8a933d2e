#!/usr/bin/env python3
"""prometheus_read.py: reads Prometheus' text format from stdin with the parser of Prometheus' own Python
library, and prints its samples as JSON: [[name, {label: value}, figure, type, help], ...]. Exit status
77: prometheus_client is not installed."""
import json
import sys

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    sys.exit(77)

print(json.dumps([[one.name, one.labels, one.value, family.type, family.documentation]
                  for family in text_string_to_metric_families(sys.stdin.read())
                  for one in family.samples]))
