/* SPDX-License-Identifier: MIT */
/* The bridge's threads without Wine: what Wine would make, the system makes here, and says so. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "bridge.h"

#define THREADS 8
#define DEPTH 5

static int failures;
static __thread BOOL is_made_for_windows;

static void check(const char *name, int holds)
{
    printf("%s %s\n", name, holds ? "ok" : "FAILED");
    failures += !holds;
}

struct beginning
{
    work *run;
    void *argument;
};

static void *begin(void *argument)
{
    struct beginning beginning = *(struct beginning *)argument;
    free(argument);
    is_made_for_windows = TRUE;
    beginning.run(beginning.argument);
    return NULL;
}

int windows_thread(work *run, void *argument)
{
    struct beginning *beginning = malloc(sizeof *beginning);
    pthread_t thread;
    beginning->run = run;
    beginning->argument = argument;
    if (pthread_create(&thread, NULL, begin, beginning))
        return FALSE;
    pthread_detach(thread);
    return TRUE;
}

/* Calls of libvds's thread that go back and forth. */
struct journey
{
    pthread_t home;
    /* Where the calls of Windows were run first. */
    pthread_t partner;
    int depth, wrong;
};

static void there(void *argument);

static void back(void *argument)
{
    struct journey *journey = argument;
    journey->wrong += is_made_for_windows || !pthread_equal(pthread_self(), journey->home);
    if (--journey->depth > 0)
        journey->wrong += !run_on(WINDOWS, there, journey);
}

static void there(void *argument)
{
    struct journey *journey = argument;
    journey->wrong += !is_made_for_windows;
    if (journey->depth == DEPTH)
        journey->partner = pthread_self();
    journey->wrong += !pthread_equal(pthread_self(), journey->partner);
    journey->wrong += !run_on(LINUX, back, journey);
}

static void *travel(void *argument)
{
    struct journey *journey = argument;
    int times;
    journey->home = pthread_self();
    for (times = 0; times < 50; ++times) {
        journey->depth = DEPTH;
        journey->wrong += !run_on(WINDOWS, there, journey);
        journey->wrong += journey->depth != 0;
    }
    return NULL;
}

static void is_here(void *argument)
{
    *(pthread_t *)argument = pthread_self();
}

int main(void)
{
    struct journey journeys[THREADS] = { 0 };
    pthread_t threads[THREADS], where;
    int index, wrong = 0;
    thread_is_windows();
    is_made_for_windows = TRUE;
    check("a_thread_of_windows_begins", threads_begin() && threads_begin());
    check("it_runs_its_own", run_on(WINDOWS, is_here, &where) && pthread_equal(where, pthread_self()));
    check("it_may_run_what_is_of_linux", run_on(LINUX, is_here, &where) && pthread_equal(where, pthread_self()));
    for (index = 0; index < THREADS; ++index)
        pthread_create(&threads[index], NULL, travel, &journeys[index]);
    for (index = 0; index < THREADS; ++index) {
        pthread_join(threads[index], NULL);
        wrong += journeys[index].wrong;
    }
    check("a_thread_and_its_partner_act_as_one", wrong == 0);
    return failures != 0;
}
