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
#define COMPAT_SET_ROLE "SET"		/* as pg_has_role calls it */
#else
#define compat_can_set_role(member, role) is_member_of_role(member, role)
#define COMPAT_SET_ROLE "MEMBER"
#endif

/* What a process shows of itself, by its place from 1 on, has another name since 16. */
#if PG_VERSION_NUM >= 160000
#define compat_local_beentry(place) pgstat_get_local_beentry_by_index(place)
#else
#define compat_local_beentry(place) pgstat_fetch_stat_local_beentry(place)
#endif

/* All settings, and how many; 16 gives a copy of its table. */
#if PG_VERSION_NUM >= 160000
#define compat_guc_variables(count) get_guc_variables(count)
#else
#define compat_guc_variables(count) (*(count) = GetNumConfigOptions(), get_guc_variables())
#endif

/* The columns that a query asks for of a table have a list of their own since 16. */
#if PG_VERSION_NUM >= 160000
#define compat_selected_columns(query, entry) \
	(getRTEPermissionInfo((query)->rteperminfos, (entry))->selectedCols)
#else
#define compat_selected_columns(query, entry) ((entry)->selectedCols)
#endif

/* 18 has another spelling for it, in another place of a declaration. */
#ifndef pg_attribute_noreturn
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

#endif
