#!/bin/sh
gzip -9c | wc -c
