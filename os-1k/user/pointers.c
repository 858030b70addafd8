// SPDX-License-Identifier: MIT
/*
 * Gives the kernel pointers to what is not this program's. All of these calls must fail.
 */
#include "os-1k/user/user.h"

static int wrong;

static void refused(const char *what, int result)
{
    if (result == BAD_ARGUMENT)
        return;
    printf("%s: %d\n", what, result);
    wrong++;
}

int main(const char *arguments)
{
    char *const own = (char *)0x7ffff000, *const end = (char *)0x80000000;
    char *const bad[] = {NULL, end - 0x10000, end, end + 0x1000, (char *)0xfffffff8};
    char endless[ARGUMENTS_SIZE];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *p = bad[i];

        refused("write", write(p, 16));
        refused("spawn", spawn(p, ""));
        refused("its arguments", spawn("counter", p));
        refused("readfile's name", readfile(p, 0, endless, 1));
        refused("readfile", readfile("hello.txt", 0, p, 16));
        refused("writefile's name", writefile(p, "", 0));
        refused("writefile", writefile("new", p, 16));
        refused("list", list(0, (struct file_info *)p));
        refused("process", process(0, (struct process_info *)p));
    }
    refused("from the own memory into the kernel's", write(end - 8, 16));
    refused("all there is", write(own, 0xffffffff));
    refused("to the end of the address space and on", write(own, end - own + 1));
    refused("into the program's code", readfile("hello.txt", 0, (void *)main, 16));
    memset(endless, 'x', sizeof(endless));
    refused("a string without an end", spawn("counter", endless));
    refused("no name", writefile("", "", 0));
    refused("waiting for the shell", wait(1));
    refused("waiting for itself", wait(getpid()));
    printf("%d calls went wrong\n", wrong);
    return 0;
}
