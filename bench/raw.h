/* raw.h - R: what one Redis core can do for the bare life of a job, to which other figures are ratios. */
#pragma once

struct ground;

/* A life: pushed (LPUSH of 100 bytes), popped (RPOP), leased (ZADD), acknowledged (ZREM). 50 lives in one script call, each of
 * the four steps one variadic command for all 50; 20 connections with 64 calls under way on each. About one second and a half.
 * Writes lives per second, and lives per second of the server's processor time. Leaves no data behind. */
void raw_measure(struct ground *ground, double *ret_per_s, double *ret_per_cpu_s);
