/*
 * What differs between PostgreSQL 15, 16, 17 and 18: the only file that tests the version.
 */
#ifndef MLAAS_COMPAT_H
#define MLAAS_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "mlaas needs PostgreSQL 15 or later"
#endif

/* 18 dropped the flag that says the plan runs once. */
#if PG_VERSION_NUM >= 180000
#define compat_ExecutorRun(query, direction, count) ExecutorRun(query, direction, count)
#else
#define compat_ExecutorRun(query, direction, count) ExecutorRun(query, direction, count, true)
#endif

#endif
