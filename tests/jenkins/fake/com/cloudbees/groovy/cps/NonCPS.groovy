package com.cloudbees.groovy.cps

/** Stands in for Jenkins' mark of a method that runs as plain Groovy. */
@interface NonCPS { }
