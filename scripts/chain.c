// Three functions that call each other without frame pointers, the last of which sleeps; and the same from a signal handler.
// For ever: a process that has ended has no maps to be read.
#include <signal.h>
#include <time.h>
volatile int sink;
__attribute__((noinline)) static int innermost(int x) {
    struct timespec time = {0, 5000000};
    nanosleep(&time, 0);
    return x + sink;
}
__attribute__((noinline)) static int middle(int x) {
    volatile char room[8000];
    room[x] = 1;
    return innermost(x + 2) + room[x];
}
__attribute__((noinline)) static int outermost(int x) { return middle(x + 1) * 3; }
static void handler(int signal) { sink = outermost(signal); }
__attribute__((noinline)) static int interrupted(int x) {
    sink = x;
    raise(SIGUSR1);
    return sink + x;
}
int main(int n, char **t) {
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, 0);
    for (;;) {
        sink = outermost(n);
        sink = interrupted(n);
    }
}
