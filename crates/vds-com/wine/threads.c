/* SPDX-License-Identifier: MIT */
/* Code of Windows runs on threads that Wine made, and libvds makes threads of its own. Each of those that calls back gets
   a partner that Wine made, and the two act as one thread: while one waits for the other to run a call, it runs the
   calls that come back. So libvds finds the program's calls out of a callback on the thread that it called from. */
#include <pthread.h>
#include <stdlib.h>
#include "bridge.h"

struct task
{
    work *run;
    void *argument;
    BOOL is_done;
};

/* A thread of Linux and its partner. At any moment one of them runs. */
struct pair
{
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* What each of them is to run next. */
    struct task *waiting[2];
    /* The thread of Linux has ended; or there is no partner. */
    BOOL is_over;
    int references;
    struct pair *next;
};

static __thread BOOL is_windows;
static __thread struct pair *mine;

/* Pairs that wait for their partner to be made. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct pair *wanted;
static BOOL is_begun;
/* Ends a pair with its thread of Linux. */
static pthread_key_t end_of_thread;

static void leave(struct pair *pair)
{
    int references;
    pthread_mutex_lock(&pair->lock);
    references = --pair->references;
    pair->is_over = TRUE;
    pthread_cond_broadcast(&pair->changed);
    pthread_mutex_unlock(&pair->lock);
    if (references)
        return;
    pthread_cond_destroy(&pair->changed);
    pthread_mutex_destroy(&pair->lock);
    free(pair);
}

static void leave_with_thread(void *pair)
{
    leave(pair);
}

/* Runs what comes for `me`, until `task` is done or the pair is over. With the pair's lock held. */
static void serve(struct pair *pair, enum side me, const struct task *task)
{
    while (!(task && task->is_done) && !pair->is_over) {
        struct task *next = pair->waiting[me];
        if (!next) {
            pthread_cond_wait(&pair->changed, &pair->lock);
            continue;
        }
        pair->waiting[me] = NULL;
        pthread_mutex_unlock(&pair->lock);
        next->run(next->argument);
        pthread_mutex_lock(&pair->lock);
        next->is_done = TRUE;
        pthread_cond_broadcast(&pair->changed);
    }
}

static BOOL hand_over(struct pair *pair, enum side to, work *run, void *argument)
{
    struct task task = { run, argument, FALSE };
    pthread_mutex_lock(&pair->lock);
    pair->waiting[to] = &task;
    pthread_cond_broadcast(&pair->changed);
    serve(pair, other(to), &task);
    if (!task.is_done)
        pair->waiting[to] = NULL;
    pthread_mutex_unlock(&pair->lock);
    return task.is_done;
}

static void partner(void *argument)
{
    struct pair *pair = argument;
    is_windows = TRUE;
    mine = pair;
    pthread_mutex_lock(&pair->lock);
    serve(pair, WINDOWS, NULL);
    pthread_mutex_unlock(&pair->lock);
    leave(pair);
}

/* A thread that Wine made, and that makes the partners. */
static void make_partners(void *argument)
{
    (void)argument;
    is_windows = TRUE;
    pthread_mutex_lock(&lock);
    for (;;) {
        struct pair *pair = wanted;
        if (!pair) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        wanted = pair->next;
        pthread_mutex_unlock(&lock);
        if (!windows_thread(partner, pair))
            leave(pair);
        pthread_mutex_lock(&lock);
    }
}

BOOL threads_begin(void)
{
    pthread_mutex_lock(&lock);
    if (!is_begun && is_windows && !pthread_key_create(&end_of_thread, leave_with_thread)) {
        is_begun = windows_thread(make_partners, NULL);
        if (!is_begun)
            pthread_key_delete(end_of_thread);
    }
    pthread_mutex_unlock(&lock);
    return is_begun;
}

/* This thread's pair, with its partner asked for; NULL without memory. */
static struct pair *pair_up(void)
{
    struct pair *pair = calloc(1, sizeof *pair);
    if (!pair)
        return NULL;
    pthread_mutex_init(&pair->lock, NULL);
    pthread_cond_init(&pair->changed, NULL);
    pair->references = 2;
    mine = pair;
    pthread_setspecific(end_of_thread, pair);
    pthread_mutex_lock(&lock);
    pair->next = wanted;
    wanted = pair;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    return pair;
}

void thread_is_windows(void)
{
    is_windows = TRUE;
}

BOOL run_on(enum side side, work *run, void *argument)
{
    /* Wine's own threads may run code of Linux; only a partner has a thread that waits for it. */
    if (side == LINUX ? !(is_windows && mine) : is_windows) {
        run(argument);
        return TRUE;
    }
    if (!mine && !pair_up())
        return FALSE;
    return hand_over(mine, side, run, argument);
}
