/*
 * What differs between PostgreSQL 15, 16, 17 and 18: the only file that tests the version.
 */
#ifndef MLAAS_COMPAT_H
#define MLAAS_COMPAT_H

#include "postgres.h"

/* VARSIZE and its kin have a header of their own since 16. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 150000
#error "mlaas needs PostgreSQL 15 or later"
#endif

/* 18 dropped the flag that says the plan runs once. */
#if PG_VERSION_NUM >= 180000
#define compat_ExecutorRun(query, direction, count) ExecutorRun(query, direction, count)
#else
#define compat_ExecutorRun(query, direction, count) ExecutorRun(query, direction, count, true)
#endif

/* Whether a member may SET ROLE to a role is a right of its own since 16. */
#if PG_VERSION_NUM >= 160000
#define compat_can_set_role(member, role) member_can_set_role(member, role)
#else
#define compat_can_set_role(member, role) is_member_of_role(member, role)
#endif

/* 18 has another spelling for it, in another place of a declaration. */
#ifndef pg_attribute_noreturn
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

#endif
