/* In weir's place on a box: weir itself, and beside it somebody who stops threads on request. TCP
 * port 9998 takes one word a connection:
 *   weir    all of weir's threads, as SIGSTOP does
 *   media   weir's media thread alone
 *   held    the same, and weir cannot be ended, as if a thread of it hung in the kernel
 *   init    the first process's own thread, its loop
 *   killed  nothing: weir is ended at once, as by a crash
 * A thread is stopped as a debugger does it, since the kernel lets nobody send SIGSTOP to the first
 * process; it stays so as long as this one lives. */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WEIR "/usr/bin/weir.real"

static int is_weir(int pid) {
    char path[64], target[256];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) return 0;
    target[length] = 0;
    return !strcmp(target, WEIR);
}

static int weir(void) {
    DIR *all = opendir("/proc");
    int found = 0;
    for (struct dirent *entry; all && (entry = readdir(all));)
        if (atoi(entry->d_name) > 0 && is_weir(atoi(entry->d_name))) found = atoi(entry->d_name);
    if (all) closedir(all);
    return found;
}

static int thread_of(int pid, const char *name) {
    char path[64], line[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *all = opendir(path);
    int found = 0;
    for (struct dirent *entry; all && (entry = readdir(all));) {
        snprintf(path, sizeof path, "/proc/%d/task/%d/comm", pid, atoi(entry->d_name));
        FILE *comm = fopen(path, "r");
        if (!comm) continue;
        if (fgets(line, sizeof line, comm) && !strcmp(strtok(line, "\n"), name))
            found = atoi(entry->d_name);
        fclose(comm);
    }
    if (all) closedir(all);
    return found;
}

/* Who traces a thread has to take notice of its end; until then its process has not ended either. */
static void ended(int signal) {
    (void)signal;
    while (waitpid(-1, 0, __WALL | WNOHANG) > 0);
}

static const char *stop(int thread) {
    if (thread <= 0) return "there is no such thread\n";
    if (ptrace(PTRACE_SEIZE, thread, 0, 0)) return "it cannot be seized\n";
    if (ptrace(PTRACE_INTERRUPT, thread, 0, 0)) return "it cannot be interrupted\n";
    return waitpid(thread, 0, __WALL) == thread ? "stopped\n" : "it does not stop\n";
}

static const char *act(const char *word) {
    if (!strcmp(word, "weir")) return weir() && !kill(weir(), SIGSTOP) ? "stopped\n" : "not stopped\n";
    if (!strcmp(word, "killed")) return weir() && !kill(weir(), SIGKILL) ? "stopped\n" : "not ended\n";
    signal(SIGCHLD, SIG_DFL);
    if (!strcmp(word, "held")) return stop(thread_of(weir(), "media"));
    if (!strcmp(word, "media")) {
        const char *said = stop(thread_of(weir(), "media"));
        signal(SIGCHLD, ended);
        return said;
    }
    if (!strcmp(word, "init")) return stop(1);
    return "weir, media, held, init or killed\n";
}

static void serve(void) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(9998)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    /* The one of the weir before this one is still there. */
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1)) return;
    for (;;) {
        char word[16] = {0};
        int asker = accept(listener, 0, 0);
        if (asker >= 0 && read(asker, word, sizeof word - 1) > 0) {
            word[strcspn(word, "\r\n")] = 0;
            const char *said = act(word);
            if (write(asker, said, strlen(said)) < 0) _exit(1);
        }
        close(asker);
    }
}

int main(int count, char **words) {
    (void)count;
    if (fork() == 0) {
        /* Not in weir's group, all of which is ended with weir, and not at the end of its log. */
        setsid();
        int null = open("/dev/null", O_RDWR);
        for (int at = 0; at < 3; at++) dup2(null, at);
        serve();
        _exit(0);
    }
    execv(WEIR, words);
    return 4;
}
