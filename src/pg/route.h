/*
 * Routes: which version a call of an alias uses, when that is not always the alias' own.
 *
 * Rules (a role, a claim of the request's JWT, a condition on the input) come first, in the order of
 * their numbers, and the first that holds decides.  What no rule decides is divided by weights over the
 * bucket of the input's key, the rest going to the alias' own version.
 */
#ifndef MLAAS_ROUTE_H
#define MLAAS_ROUTE_H

#include "postgres.h"

#include "pg/registry_write.h"
#include "pg/route_condition.h"

/* Most routes of an alias. */
#define ROUTE_MAX 32

/* By how much weights that are meant to add up to 1 may miss it. */
#define ROUTE_ROUNDING 1e-9

/* What a call uses when no version of a route. */
#define ROUTE_OWN (-1)

/* What decides is the bucket, and the input has no key. */
#define ROUTE_BY_FEATURES (-2)

/* What makes a route apply. */
typedef enum RouteKind
{
	ROUTE_WEIGHT,
	ROUTE_ROLE,
	ROUTE_CLAIM,
	ROUTE_CONDITION
} RouteKind;

/* A row of mlaas.route. */
typedef struct RouteRule
{
	RouteKind	kind;
	int32		number;
	RegistryVersion target;
	double		weight;
	Oid			role;
	char	   *claim;			/* the path of a member, its names divided by dots */
	char	   *value;
	RouteCondition *condition;
	bool		claim_holds;	/* for the claims seen last */
} RouteRule;

/* The routes of an alias, rules first, each kind in the order of its numbers. */
typedef struct Route
{
	int			count;
	int			nrules;			/* those before the weights */
	char	   *key;			/* column or member that is the key of weights; NULL = none */
	char	   *salt;			/* of the bucket; NULL without weights */
	bool		has_claims;
	MemoryContext memory;		/* of the routes */
	char	   *claims;			/* of the request, as seen last; NULL = not yet */
	RouteRule	rules[FLEXIBLE_ARRAY_MEMBER];
} Route;

/*
 * The routes of the alias that a name means and that own was found by, in a context of their own below memory; NULL
 * when there are none.
 */
extern Route *route_find(const char *spec, const RegistryVersion *own, MemoryContext memory);

/*
 * The rule (its number in route->rules) that an input goes by, ROUTE_OWN or ROUTE_BY_FEATURES.
 */
extern int	route_choose(Route *route, const RouteInput *input);

/* The same for an input that no rule decided, by its bucket. */
extern int	route_by_bucket(const Route *route, double bucket);

/* The bucket, in [0, 1), of a key's bytes. */
extern double route_bucket(const char *key, size_t length, const char *salt, size_t salt_length);

/* The bucket of features, as a model reads them: number s stands at raw[s * stride]. */
extern double route_features_bucket(const Route *route, const double *raw, int slots, size_t stride);

/* ---- changes, under the model's lock (route_write.c) ---- */

/* End all routes of an alias; returns the version that the first of them led to, 0 when there was none. */
extern int32 route_end(const Writer *writer, const char *alias);

/* Error unless a route of an alias of the locked model leads to a version. */
extern void route_need(const Writer *writer, const char *alias, int32 version);

/* Error when a route of the locked model leads to a version. */
extern void route_check_unused(const Writer *writer, int32 version);

#endif
