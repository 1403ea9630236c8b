#include <iostream>

int main() {
    std::cout << "Hello from local remote execution!" << std::endl;
    return 0;
}
