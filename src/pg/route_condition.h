/*
 * Conditions of routes: "plan = 'pro' and age >= 30".
 *
 * A language of its own, small enough to be safe: terms joined by AND, each a column (or setting) compared with a
 * constant.  Nothing of it is SQL, so that it calls no function, whoever wrote it and whoever runs it.
 */
#ifndef MLAAS_ROUTE_CONDITION_H
#define MLAAS_ROUTE_CONDITION_H

#include "postgres.h"

/* What an input has to say of itself: a column's value as text; NULL when it has none. */
typedef struct RouteInput
{
	const char *(*value) (void *arg, const char *column);
	void	   *arg;
} RouteInput;

typedef struct RouteCondition RouteCondition;

/* Read a condition, in the current memory context; an error says where it is wrong. */
extern RouteCondition *route_condition_parse(const char *text);

/* Does it hold for the input? A column without a value makes it not hold. */
extern bool route_condition_holds(const RouteCondition *condition, const RouteInput *input);

/* The names of columns that it reads: calls visit with each. */
extern void route_condition_columns(const RouteCondition *condition,
									void (*visit) (const char *column, void *arg), void *arg);

#endif
