// Rules for the library and its tests. What is switched off or set stands with its reason.
ruleset {
    ruleset('rulesets/basic.xml') {
        exclude 'ClassForName'                          // in tests
        exclude 'EmptyClass'                            // in tests: stand-ins for what Jenkins has
    }
    ruleset('rulesets/braces.xml')
    ruleset('rulesets/concurrency.xml') {
        exclude 'ThreadYield'                           // the tests wait until a thread stands in line
        exclude 'SynchronizedMethod'
    }
    ruleset('rulesets/design.xml') {
        exclude 'Instanceof'                            // of what comes from outside nothing is known
        exclude 'ReturnsNullInsteadOfEmptyCollection'   // null: there is none
        exclude 'AbstractClassWithoutAbstractMethod'    // scripts are such
        exclude 'AbstractClassWithPublicConstructor'
    }
    ruleset('rulesets/exceptions.xml') {
        exclude 'CatchThrowable'                        // whatever goes wrong with a record, the build goes on
        exclude 'CatchException'
        exclude 'ReturnNullFromCatchBlock'              // null: there is none
    }
    ruleset('rulesets/formatting.xml') {
        LineLength { length = 150 }
        SpaceAroundMapEntryColon { characterAfterColonRegex = /\s/ }
        exclude 'SpaceAfterClosingBrace'                // as in }.join()
    }
    ruleset('rulesets/generic.xml')
    ruleset('rulesets/groovyism.xml') {
        exclude 'GStringExpressionWithinString'         // Jenkinsfiles in tests are text
    }
    ruleset('rulesets/imports.xml')
    ruleset('rulesets/naming.xml') {
        exclude 'FactoryMethodName'                     // Jenkins looks for the names it knows
        exclude 'ConfusingMethodName'
        exclude 'VariableName'                          // fields of a script read as constants to it
    }
    ruleset('rulesets/security.xml') {
        exclude 'JavaIoPackageAccess'                   // in tests
        exclude 'SystemExit'
        exclude 'FileCreateTempFile'
    }
    ruleset('rulesets/serialization.xml')
    ruleset('rulesets/unnecessary.xml') {
        exclude 'UnnecessaryReturnKeyword'              // a value that is meant is returned
        exclude 'UnnecessarySubstring'                  // the sandbox knows substring
        exclude 'UnnecessaryObjectReferences'           // calls of the suite, one after the other
    }
    ruleset('rulesets/unused.xml') {
        exclude 'UnusedVariable'                        // fields of a script
        exclude 'UnusedMethodParameter'                 // of steps that do nothing in a fake
    }
}
